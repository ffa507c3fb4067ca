#include "actors/recorder.hpp"

#include "support/fake_context.hpp"

#include <doctest/doctest.h>

#include <vector>

using namespace troupe;
using namespace std::chrono_literals;

TEST_CASE("the clock of training stands still while it is paused") {
  std::vector<double> seconds;
  test::fake_context world{{.role = role_kind::recorder}};
  recorder r(world,
             {.on_step = [&](const protocol::step_committed&, double s) { seconds.push_back(s); }});
  world.clock = 5s;
  r.started();
  world.clock = 7s;
  r.on(protocol::step_committed{});
  r.on(protocol::training_paused{true});
  world.clock = 100s;
  r.on(protocol::training_paused{true}); // twice
  r.on(protocol::step_committed{});
  r.on(protocol::training_paused{false});
  world.clock = 101s;
  r.on(protocol::step_committed{});
  CHECK(seconds == std::vector<double>{2, 2, 3});
}
