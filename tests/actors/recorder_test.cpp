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
  r.on(protocol::step_committed{0});
  r.on(protocol::training_paused{true, 1});
  world.clock = 100s;
  r.on(protocol::training_paused{true, 1}); // twice
  r.on(protocol::step_committed{1});
  r.on(protocol::training_paused{false, 1});
  r.on(protocol::training_paused{true, 1}); // late
  world.clock = 101s;
  r.on(protocol::step_committed{2});
  CHECK(seconds == std::vector<double>{2, 2, 3});
}

TEST_CASE("the recorder reports each step, epoch and restart once, however often it hears of it") {
  int steps = 0, epochs = 0, restarts = 0;
  test::fake_context world{{.role = role_kind::recorder}};
  recorder r(world,
             {.on_step = [&](const protocol::step_committed&, double) { ++steps; },
              .on_epoch = [&](const protocol::epoch_ended&, double) { ++epochs; },
              .on_restart = [&](const protocol::restarted&) { ++restarts; }});
  const address shard{.role = role_kind::layer_shard}, loader{.role = role_kind::data_loader};
  for (int times = 0; times < 2; ++times) {
    for (const std::uint64_t step : {5, 6, 5}) // of a resumed job
      r.on(protocol::step_committed{step});
    r.on(protocol::epoch_ended{1});
    r.on(protocol::restarted{shard, 2, "", 0});
    r.on(protocol::restarted{loader, 2, "", 0});
  }
  CHECK(steps == 2);
  CHECK(epochs == 1);
  CHECK(restarts == 2);
  r.on(protocol::restarted{shard, 3, "", 0});
  CHECK(restarts == 3);
}
