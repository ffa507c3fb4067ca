#include "actors/residual_keeper.hpp"

#include "support/fake_context.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <utility>
#include <vector>

using namespace troupe;

TEST_CASE("a keeper tells a shard the residuals of its step, also those that come late") {
  const address shard{.role = role_kind::layer_shard};
  const auto value = make_tensor({1}, std::vector<float>{1});
  test::fake_context world{{.role = role_kind::residual_keeper}};
  residual_keeper keeper(world, {.start = {{0, 0, 0, value}, {0, 0, 1, value}}});
  const auto told = [&] {
    std::vector<std::pair<std::uint64_t, std::uint32_t>> out; // step, first microbatch
    for (const auto& m : world.of<protocol::residual>())
      out.emplace_back(m.step, m.first_microbatch);
    return out;
  };
  keeper.on(protocol::residual{1, 0, 0, value}); // of a shard that dies
  keeper.on(protocol::want_residuals{shard, 1});
  CHECK(told() == std::vector<std::pair<std::uint64_t, std::uint32_t>>{{1, 0}});
  keeper.on(protocol::want_residuals{shard, 0}); // of one that died before
  keeper.on(protocol::residual{1, 0, 1, value});
  CHECK(told() == std::vector<std::pair<std::uint64_t, std::uint32_t>>{{1, 0}, {1, 1}});
  keeper.on(protocol::residual{2, 0, 0, value}); // training goes on
  CHECK(told().size() == 2);
}

TEST_CASE("a keeper tells a save the residuals of its version, also those that come late") {
  const address saving{.role = role_kind::checkpointer};
  const auto value = make_tensor({1}, std::vector<float>{1});
  test::fake_context world{{.role = role_kind::residual_keeper}};
  residual_keeper keeper(world, {.start = {{4, 0, 0, value}, {4, 1, 0, value}}});
  const auto told = [&] {
    std::vector<std::pair<std::uint64_t, int>> out; // step, block
    for (const auto& m : world.of<protocol::kept_residual>())
      out.emplace_back(m.value.step, m.value.block);
    return out;
  };
  keeper.on(protocol::residual{6, 0, 0, value});
  keeper.on(protocol::want_state{1, saving, 6});
  CHECK(told() == std::vector<std::pair<std::uint64_t, int>>{{6, 0}});
  keeper.on(protocol::residual{5, 0, 0, value}); // later still than what it was overtaken by
  keeper.on(protocol::residual{5, 1, 0, value});
  keeper.on(protocol::residual{6, 1, 0, value});
  CHECK(told() == std::vector<std::pair<std::uint64_t, int>>{{6, 0}, {6, 1}});
  keeper.on(protocol::residual{7, 0, 0, value}); // training goes on
  CHECK(told().size() == 2);
}

TEST_CASE("a save waits for residuals of its version, though several steps are late") {
  const auto value = make_tensor({1}, std::vector<float>{1});
  test::fake_context world{{.role = role_kind::residual_keeper}};
  residual_keeper keeper(world, {.start = {{4, 0, 0, value}}});
  keeper.on(protocol::want_state{1, {.role = role_kind::checkpointer}, 6});
  CHECK(world.of<protocol::kept_residual>().empty());
  keeper.on(protocol::residual{5, 0, 0, value});
  keeper.on(protocol::residual{6, 0, 0, value});
  REQUIRE(world.of<protocol::kept_residual>().size() == 1);
  CHECK(world.of<protocol::kept_residual>()[0].value.step == 6);
}
