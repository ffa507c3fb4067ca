#include "actors/residual_keeper.hpp"

#include "support/fake_context.hpp"

#include <doctest/doctest.h>

#include <vector>

using namespace troupe;

TEST_CASE("a keeper tells a save what comes late of its step, and of no step after that") {
  const address saving{.role = role_kind::checkpointer};
  const auto value = make_tensor({1}, std::vector<float>{1});
  test::fake_context world{{.role = role_kind::residual_keeper}};
  residual_keeper keeper(world, {.start = {{4, 0, 0, value}, {4, 1, 0, value}}});
  keeper.on(protocol::residual{5, 0, 0, value});
  keeper.on(protocol::want_state{1, saving});
  CHECK(world.of<protocol::kept_residual>().size() == 3);
  keeper.on(protocol::residual{5, 1, 0, value}); // late
  CHECK(world.of<protocol::kept_residual>().size() == 4);
  CHECK(world.of<protocol::kept_residual>().back().value.block == 1);
  keeper.on(protocol::residual{6, 0, 0, value}); // training goes on
  keeper.on(protocol::residual{7, 0, 0, value});
  keeper.on(protocol::residual{7, 1, 0, value});
  CHECK(world.of<protocol::kept_residual>().size() == 5);
}
