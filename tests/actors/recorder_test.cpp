#include "actors/recorder.hpp"

#include "support/fake_context.hpp"

#include <doctest/doctest.h>

#include <vector>

using namespace troupe;
using namespace std::chrono_literals;

namespace {

// A director, as the recorder hears it.
struct teller {
  recorder& to;
  incarnation life = 1;
  std::uint64_t told = 0;

  void begin() {
    to.on(protocol::want_cursor{life});
    told = 0;
  }

  template <class Event>
  void tell(Event e) {
    e.number = {life, ++told};
    to.on(e);
  }
};

} // namespace

TEST_CASE("the clock of training stands still while it is paused") {
  std::vector<double> seconds;
  test::fake_context world{{.role = role_kind::recorder}};
  recorder r(world,
             {.on_step = [&](const protocol::step_committed&, double s) { seconds.push_back(s); }});
  teller director{r};
  world.clock = 5s;
  r.started();
  director.begin();
  world.clock = 7s;
  director.tell(protocol::step_committed{0});
  director.tell(protocol::training_paused{true, 1});
  world.clock = 100s;
  director.tell(protocol::training_paused{true, 1}); // twice
  director.tell(protocol::step_committed{1});
  director.tell(protocol::training_paused{false, 1});
  world.clock = 101s;
  director.tell(protocol::step_committed{2});
  CHECK(seconds == std::vector<double>{2, 2, 3});
}

TEST_CASE("the recorder reports each step, epoch and restart once, however often it hears of it") {
  int steps = 0, epochs = 0, restarts = 0, saves = 0;
  test::fake_context world{{.role = role_kind::recorder}};
  recorder r(world,
             {.on_step = [&](const protocol::step_committed&, double) { ++steps; },
              .on_epoch = [&](const protocol::epoch_ended&, double) { ++epochs; },
              .on_restart = [&](const protocol::restarted&) { ++restarts; },
              .on_saved = [&](const protocol::checkpoint_saved&) { ++saves; }});
  const address shard{.role = role_kind::layer_shard}, loader{.role = role_kind::data_loader};
  teller director{r};
  director.begin();
  for (int times = 0; times < 2; ++times) {
    for (const std::uint64_t step : {5, 6, 5}) // of a resumed job
      director.tell(protocol::step_committed{step});
    director.tell(protocol::epoch_ended{1});
    r.on(protocol::restarted{shard, 2, "", 0});
    r.on(protocol::restarted{loader, 2, "", 0});
  }
  CHECK(steps == 2);
  CHECK(epochs == 1);
  CHECK(restarts == 2);
  r.on(protocol::restarted{shard, 3, "", 0});
  CHECK(restarts == 3);
  const protocol::checkpoint_saved saved{.step = 4, .number = {1, ++director.told}};
  r.on(saved);
  r.on(saved); // its acknowledgement was lost
  CHECK(saves == 1);
}

TEST_CASE("the recorder acknowledges what it hears in order, and nothing behind a gap") {
  int steps = 0;
  test::fake_context world{{.role = role_kind::recorder}};
  recorder r(world, {.on_step = [&](const protocol::step_committed&, double) { ++steps; }});
  r.on(protocol::want_cursor{1});
  r.on(protocol::step_committed{.step = 1, .number = {1, 2}});
  CHECK(steps == 0);
  CHECK(world.of<protocol::recorded>().empty());
  r.on(protocol::step_committed{.step = 0, .number = {1, 1}});
  r.on(protocol::step_committed{.step = 0, .number = {1, 1}});
  r.on(protocol::step_committed{.step = 1, .number = {1, 2}});
  CHECK(steps == 2);
  REQUIRE(world.of<protocol::recorded>().size() == 3);
  CHECK(world.of<protocol::recorded>()[1].number == protocol::event_number{1, 1});
  CHECK(world.of<protocol::recorded>()[2].number == protocol::event_number{1, 2});
}

TEST_CASE("a director that has a successor is not heard any more") {
  int steps = 0;
  test::fake_context world{{.role = role_kind::recorder}};
  recorder r(world, {.on_step = [&](const protocol::step_committed&, double) { ++steps; }});
  teller before{r}, after{r, 2};
  before.begin();
  before.tell(protocol::step_committed{0});
  after.begin();
  before.tell(protocol::training_paused{true, 1});
  before.begin();
  CHECK(world.of<protocol::cursor>().back().life == 2);
  after.tell(protocol::step_committed{1});
  CHECK(steps == 2);
}

TEST_CASE("a new recorder knows what the one before knew, and a new director hears of it") {
  std::vector<double> seconds;
  test::fake_context world{{.role = role_kind::recorder}};
  const recorder_options options{
      .on_step = [&](const protocol::step_committed&, double s) { seconds.push_back(s); }};
  {
    recorder r(world, options);
    r.started();
    teller director{r};
    director.begin();
    world.clock = 2s;
    director.tell(protocol::shares_dealt{0, {{0, {0, 1}}}});
    director.tell(protocol::shares_dealt{1, {{0, {0, 2}}}});
    director.tell(protocol::step_committed{.step = 0, .digest = 7});
    director.tell(protocol::training_paused{true, 1});
  }
  recorder r(world, options);
  world.clock = 50s;
  r.started();
  teller director{r, 2};
  director.begin();
  const auto at = world.of<protocol::cursor>().back();
  CHECK(at.life == 2);
  CHECK(at.step == 1);
  CHECK(at.digest == 7);
  CHECK(at.paused);
  CHECK_FALSE(at.went_on);
  REQUIRE(at.dealt.size() == 1);
  CHECK(at.dealt[0].step == 1);
  CHECK(at.dealt[0].shares[0].run == tree_span{0, 2});
  director.tell(protocol::step_committed{1});
  CHECK(seconds == std::vector<double>{2, 2});
  director.begin();
  CHECK_FALSE(world.of<protocol::cursor>().back().paused); // at another step
}
