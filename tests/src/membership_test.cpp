// Nodes of a simulated cluster that are killed, leave and join at any moment of a run: the bits are
// those of the calm run.
#include "src/small_jobs.hpp"
#include "support/error_of.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

simulated_cluster cluster_of(std::vector<timed_fault> faults) {
  simulated_cluster out;
  out.model.link = {.latency = 200us, .jitter = 100us, .bytes_per_second = 1e8, .loss = 0.01};
  out.model.racks = {.nodes = 2, .bytes_per_second = 5e7, .latency = 50us};
  out.model.faults = std::move(faults);
  return out;
}

log_of_run simulate(const wiring& w, std::vector<timed_fault> faults) {
  return play_on(cluster_of(std::move(faults)), w, {.evaluate = false});
}

// Two replicas of two stages: four nodes, and state that nobody else has on the first alone.
wiring mortal_hybrid() {
  return hybrid(small_job(4), {.replicas = 2, .stages = 2, .holders = 1});
}

} // namespace

TEST_CASE("nodes that are killed, leave, join and are cut off at any time change no bit") {
  const auto w = mortal_hybrid();
  REQUIRE(w.nodes() == 4);
  const auto calm = simulate(w, {});
  const auto end = std::chrono::nanoseconds(static_cast<std::int64_t>(calm.result.seconds * 1e9));
  std::int64_t restarts = 0;
  constexpr int moments = 60;
  for (int i = 0; i < moments; ++i) {
    const auto at = end * i / moments, later = at + end / 7;
    CAPTURE(at.count());
    const std::vector<std::vector<timed_fault>> happenings = {
        {{at, kill_node_fault{1}}, {at, kill_node_fault{3}}},
        {{at, leave_fault{2}}},
        {{at, leave_fault{1}}, {later, leave_fault{3}}, {later + 1ms, leave_fault{2}}},
        {{at, join_fault{3}}, {at, join_fault{1}}},
        {{at, leave_fault{1}}, {later, join_fault{1}}, {later, kill_node_fault{2}}},
        {{at, isolate_fault{whole::node, 3}},
         {later, leave_fault{3}},
         {later + 5ms, reconnect_fault{whole::node, 3}}},
        {{at, pause_fault{1}}, {later, leave_fault{1}}},
        {{at, isolate_fault{whole::rack, 1}}, {later, reconnect_fault{whole::rack, 1}}}};
    for (std::size_t h = 0; h < happenings.size(); ++h) {
      CAPTURE(h);
      const auto run = simulate(w, happenings[h]);
      check_same(calm, run);
      restarts += run.result.restarts;
    }
  }
  CHECK(restarts > moments * 8);
}

TEST_CASE("an actor of a node that left stays cut off from nothing") {
  // Its link is cut for good; what was sent on it is lost, and it goes on elsewhere.
  const auto w = mortal_hybrid();
  const auto calm = simulate(w, {});
  for (const auto at : {1ms, 7ms, 20ms})
    check_same(calm,
               simulate(w,
                        {{at, isolate_fault{whole::node, 2}},
                         {at + 3ms, leave_fault{2}},
                         {at + 4ms, kill_fault{{.role = role_kind::layer_shard, .replica = 1}}}}));
}

TEST_CASE("the same events give the same simulation, and actors return to the node that joins") {
  const auto w = mortal_hybrid();
  const std::vector<timed_fault> coming_and_going = {
      {0ms, join_fault{1}}, {5ms, leave_fault{2}}, {9ms, join_fault{2}}, {12ms, leave_fault{3}}};
  const auto a = simulate(w, coming_and_going), again = simulate(w, coming_and_going);
  CHECK(a.result.simulation->trace_hash == again.result.simulation->trace_hash);
  for (const auto& actor : a.result.simulation->actors)
    CHECK(actor.node != 3);
  int home = 0;
  for (const auto& actor : a.result.simulation->actors)
    home += actor.node == 2 ? 1 : 0;
  CHECK(home >= 2);
}

TEST_CASE("asynchronous workers come and go, and each gradient counts once") {
  const auto w = parameter_server(
      small_job(12, 2),
      {.workers = 3, .order = {.kind = consistency_kind::bounded, .staleness = 1}});
  for (int i = 0; i < 30; ++i) {
    const auto at = i * 700us;
    const auto run = simulate(
        w, {{at, leave_fault{2}}, {at + 3ms, join_fault{2}}, {at + 1ms, kill_node_fault{1}}});
    CHECK(run.digests.size() == 12);
    CHECK(run.result.staleness.count == 12);
    CHECK(run.lead <= 1);
  }
}

TEST_CASE("who cannot leave or join is told before anything is played, and who could") {
  const auto w = parameter_server(
      small_job(4),
      {.workers = 3, .servers = 1, .order = {.kind = consistency_kind::asynchronous}});
  const int home = w.find({.role = role_kind::parameter_holder})->node;
  REQUIRE(home != 1);
  const auto of_home = fmt::format("node {}", home);
  const auto told = [&](std::vector<timed_fault> faults) {
    std::string out;
    for (const auto& m : mistakes_of(cluster_of(std::move(faults)), w))
      out += m.what + "; " + m.where + "; " + m.why + "; " + m.help + "\n";
    return out;
  };
  const auto check = [](const std::string& text, const std::vector<std::string>& parts) {
    for (const auto& part : parts)
      CHECK_MESSAGE(text.find(part) != std::string::npos, part, " in\n", text);
  };
  check(told({{1ms, leave_fault{home}}}), {of_home + " cannot leave", "parameter_holder/0"});
  check(told({{1ms, kill_node_fault{home}}}), {of_home + " cannot be killed"});
  check(told({{1ms, join_fault{home}}}), {of_home + " cannot join late"});
  check(told({{1ms, leave_fault{1}}, {2ms, leave_fault{1}}}),
        {"node 1 is not there at that time", "2 ms leave 1"});
  check(told({{2ms, join_fault{1}}, {1ms, pause_fault{1}}}), {"node 1 is not there at that time"});
  check(told({{1ms, leave_fault{1}}, {2ms, join_fault{1}}, {3ms, join_fault{1}}}),
        {"node 1 is there already", "3 ms join 1"});
  check(told({{1ms, leave_fault{9}}}), {"there is no node 9"});
  check(told({{1ms, isolate_fault{whole::rack, 2}}}), {"there is no rack 2", "racks are 0 to 1"});
  check(told({{-1ms, leave_fault{1}}}), {"before the beginning"});
  const auto everywhere = hybrid(small_job(4), {.replicas = 2});
  CHECK(mistakes_of(cluster_of({{1ms, leave_fault{1}}}), everywhere).empty());
  const auto last =
      mistakes_of(cluster_of({{1ms, leave_fault{1}}, {2ms, leave_fault{0}}}), everywhere);
  REQUIRE(last.size() == 1);
  CHECK(last[0].what == "no node would be left");
}

TEST_CASE("a node whose actors need more memory than it has is told with what they need") {
  const auto w = mortal_hybrid();
  simulated_cluster small;
  small.model.nodes[3].memory_bytes = 1000;
  const auto told = mistakes_of(small, w);
  REQUIRE(told.size() == 1);
  CHECK(told[0].what.find("node 3 has too little memory: 1.0 kB") != std::string::npos);
  CHECK(told[0].why.find("of activations") != std::string::npos);
  CHECK(!told[0].help.empty());
  CHECK_THROWS_AS(static_cast<void>(small.start(w)), error);
  small.model.nodes[3].memory_bytes = 1'000'000'000;
  CHECK(mistakes_of(small, w).empty());
  CHECK(play_on(small, w, {.evaluate = false}).digests.size() == 4);
}
