#include "actors/supervisor.hpp"

#include "support/fake_context.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using namespace std::chrono_literals;

namespace {

const address shard{.role = role_kind::layer_shard, .replica = 1};

protocol::down killed(incarnation life) {
  return {shard, life, true, "killed"};
}

protocol::down broken(incarnation life) {
  return {shard, life, false, "no memory"};
}

struct fixture {
  test::fake_context world{{.role = role_kind::supervisor}};
  supervisor boss{world, {.cannot_restart = {role_kind::parameter_holder}}};
};

} // namespace

TEST_CASE("a supervisor restarts a child at once and tells everybody") {
  fixture f;
  f.boss.on(killed(1));
  CHECK(f.world.started == std::vector{shard});
  REQUIRE(f.world.to_all.size() == 1);
  CHECK(std::get<protocol::restarted>(f.world.to_all[0]).who == shard);
}

TEST_CASE("a supervisor acts once on each death, however often it is told") {
  fixture f;
  f.boss.on(killed(1));
  f.boss.on(killed(1));
  CHECK(f.world.started.size() == 1);
}

TEST_CASE("a supervisor backs off from a child that keeps dying, and forgives after a quiet time") {
  fixture f;
  for (incarnation life = 1; life <= 6; ++life)
    f.boss.on(killed(life));
  CHECK(f.world.started.size() == 3);
  REQUIRE(f.world.delays.size() == 3);
  CHECK(f.world.delays[0] == 5ms);
  CHECK(f.world.delays[1] == 10ms);
  CHECK(f.world.delays[2] == 20ms);
  f.boss.on(std::get<protocol::restart_due>(f.world.later[2]));
  CHECK(f.world.started.size() == 4);
  f.world.clock += 2s;
  f.boss.on(killed(7));
  CHECK(f.world.started.size() == 5);
}

TEST_CASE("a supervisor's back-off grows to its maximum, since waiting is not living") {
  fixture f;
  for (incarnation life = 1; life <= 20; ++life) {
    f.boss.on(killed(life));
    if (f.world.later.empty()) continue;
    f.world.clock += f.world.delays.back();
    f.boss.on(std::get<protocol::restart_due>(f.world.later.back()));
  }
  REQUIRE(f.world.delays.size() == 17);
  CHECK(f.world.delays[8] == 1280ms);
  CHECK(f.world.delays[9] == 2560ms);
  CHECK(f.world.delays.back() == 10s);
  CHECK(f.world.started.size() == 20);
}

TEST_CASE("a supervisor gives up on a child that fails three times with the same words") {
  fixture f;
  f.boss.on(broken(1));
  f.boss.on(broken(2));
  CHECK(f.world.of<protocol::job_failed>().empty());
  f.boss.on(broken(3));
  const auto failures = f.world.of<protocol::job_failed>();
  REQUIRE(failures.size() == 1);
  CHECK(failures[0].text.what == "layer_shard/1/0 is down: no memory");
  CHECK(f.world.started.size() == 2);
}

TEST_CASE("a supervisor does not restart a role that holds the only copy of something") {
  fixture f;
  f.boss.on({{.role = role_kind::parameter_holder}, 1, true, "killed"});
  CHECK(f.world.started.empty());
  CHECK(f.world.of<protocol::job_failed>().size() == 1);
}
