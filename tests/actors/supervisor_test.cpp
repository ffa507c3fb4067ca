#include "actors/supervisor.hpp"

#include "support/fake_context.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using namespace std::chrono_literals;

namespace {

const address boss_address{.role = role_kind::supervisor};
const address director{.role = role_kind::director};
const address holder{.role = role_kind::parameter_holder};
const address shard{.role = role_kind::layer_shard, .replica = 1};

supervision_tree tree() {
  return {.root = {.children = {{.id = director.text()},
                                {.id = holder.text(), .state = state_source::itself},
                                {.id = shard.text()}}}};
}

protocol::down killed(incarnation life) {
  return {shard, life, true, "killed"};
}

protocol::down broken(incarnation life) {
  return {shard, life, false, "no memory", "gradient of step 3, key 1"};
}

struct fixture {
  test::fake_context world{boss_address};
  supervisor boss{world, {tree}};

  std::vector<protocol::restarted> told() const {
    std::vector<protocol::restarted> out;
    for (const auto& m : world.to_all)
      out.push_back(std::get<protocol::restarted>(m));
    return out;
  }
};

} // namespace

TEST_CASE("a supervisor restarts a child at once and tells everybody") {
  fixture f;
  f.boss.on(killed(1));
  CHECK(f.world.started == std::vector{shard});
  REQUIRE(f.told().size() == 1);
  CHECK(f.told()[0].who == shard);
  CHECK(f.told()[0].reason == "killed");
}

TEST_CASE("a supervisor acts once on each death, however often it is told") {
  fixture f;
  f.boss.on(killed(1));
  f.boss.on(killed(1));
  CHECK(f.world.started.size() == 1);
}

TEST_CASE("a supervisor waits for what is due with one timer") {
  fixture f;
  for (const incarnation life : {1U, 2U, 2U})
    f.boss.on(protocol::down{shard, life, false, "no memory"});
  CHECK(f.world.started.size() == 1);
  REQUIRE(f.world.delays.size() == 1);
  CHECK(f.world.delays[0] <= 5ms);
  f.world.clock += f.world.delays[0];
  f.boss.on(std::get<protocol::supervision_due>(f.world.later.at(0)));
  CHECK(f.world.started.size() == 2);
  CHECK(f.world.delays.size() == 1);
}

TEST_CASE("a supervisor fails the job of a child that fails twice on the same input") {
  fixture f;
  f.boss.on(broken(1));
  CHECK(f.world.of<protocol::job_failed>().empty());
  f.boss.on(broken(2));
  const auto failures = f.world.of<protocol::job_failed>();
  REQUIRE(failures.size() == 1);
  CHECK(failures[0].text.what == "layer_shard/1/0 is down: no memory");
  CHECK(failures[0].text.why ==
        "it failed the same way twice on one input: gradient of step 3, key 1");
  CHECK(failures[0].text.help == "resume from the last checkpoint with --resume");
  CHECK(f.world.started.size() == 1);
}

TEST_CASE("a supervisor does not restart a role that holds the only copy of something") {
  fixture f;
  f.boss.on(protocol::down{holder, 1, true, "killed"});
  CHECK(f.world.started.empty());
  CHECK(f.world.of<protocol::job_failed>().size() == 1);
}

TEST_CASE("a supervisor restarts who is killed on purpose however often that is") {
  fixture f;
  for (incarnation life = 1; life <= 200; ++life) {
    f.world.clock += 1100ms;
    f.boss.on(killed(life));
  }
  CHECK(f.world.started.size() == 200);
  CHECK(f.world.of<protocol::job_failed>().empty());
}

TEST_CASE("a director that is restarted hears again that the job has failed") {
  fixture f;
  f.boss.on(protocol::down{holder, 1, true, "killed"});
  f.boss.on(protocol::down{director, 1, true, "killed"});
  CHECK(f.world.of<protocol::job_failed>().size() == 2);
}

TEST_CASE("a supervisor acts on what its predecessor was told, and tells its restarts again") {
  fixture f;
  f.world.clock = 5ms;
  f.boss.on(protocol::past_down{killed(1), 1ms, 2});
  f.boss.on(protocol::past_down{{director, 4, true, "killed"}, 2ms, 0});
  CHECK(f.world.started == std::vector{director});
  REQUIRE(f.told().size() == 2);
  CHECK(f.told()[0].who == shard);
  CHECK(f.told()[0].life == 2);
  CHECK(f.told()[1].who == director);
  f.boss.on(killed(1)); // on its way when the one before died
  CHECK(f.world.started.size() == 1);
}
