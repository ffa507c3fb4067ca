// What a simulation reports: figures that can be counted by hand, and failures at a rate.
#include "src/small_jobs.hpp"
#include "support/error_of.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <numeric>
#include <set>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

simulated_cluster failing_cluster(std::chrono::nanoseconds mean_gap, std::uint64_t seed = 1) {
  simulated_cluster out;
  out.model.seed = seed;
  out.model.link = {.latency = 200us, .bytes_per_second = 1e8};
  out.costs.machine.flops_per_second = 1e9;
  if (mean_gap.count() > 0) out.failures = failure_rate{.mean_gap = mean_gap, .roles = {}};
  return out;
}

// Two replicas; the second died twice, and the first time a step was committed in between.
simulation_report report_by_hand() {
  const address first{.role = role_kind::layer_shard},
      second{.role = role_kind::layer_shard, .replica = 1};
  simulation_report out{.seconds = 10};
  out.actors = {{first, 0, 5, 4.0}, {second, 1, 7, 2.0}, {{.role = role_kind::director}, 0, 3, 0}};
  out.nodes = {{0, 2, 4.0}, {1, 1, 2.0}};
  out.links = {{.from = 0, .to = 1, .messages = 3, .bytes = 100},
               {.from = 1, .to = 0, .messages = 4, .bytes = 300}};
  out.deaths = {{.who = second, .node = 1, .seconds = 2, .ready_seconds = 2.5, .killed = true},
                {.who = second, .node = 1, .seconds = 6, .ready_seconds = 7, .killed = true},
                {.who = first, .node = 0, .seconds = 9.5}};
  out.commits = {{1, 1}, {2.25, 1.25}, {4, 1.75}, {9, 5}};
  return out;
}

} // namespace

TEST_CASE("step times, utilisation, traffic and recovery are what a hand counts") {
  const auto s = summary_of(report_by_hand());
  CHECK(s.step_seconds.count == 4);
  CHECK(s.step_seconds.least == 1);
  CHECK(s.step_seconds.median == 1.75);
  CHECK(s.step_seconds.mean == 2.25);
  CHECK(s.step_seconds.p99 == 5);
  REQUIRE(s.roles.size() == 2);
  CHECK(s.roles[1].role == role_kind::layer_shard);
  CHECK(s.roles[1].actors == 2);
  CHECK(s.roles[1].messages == 12);
  CHECK(s.roles[1].mean == doctest::Approx(0.3));
  CHECK(s.roles[1].most == doctest::Approx(0.4));
  CHECK(s.roles[1].busiest.text() == "layer_shard/0/0");
  CHECK(s.nodes.mean == doctest::Approx(0.2)); // 4 of 20, 2 of 10
  CHECK(s.network.bytes == 400);
  CHECK(s.network.step_bytes == 100);
  CHECK(s.network.busiest == 1);
  REQUIRE(s.recoveries.size() == 3);
  CHECK(s.recoveries[0].ready == 0.5);
  CHECK(s.recoveries[0].committed == 2); // the step at 2.25 was told before it was ready
  CHECK(s.recoveries[1].committed == 3);
  CHECK(s.recoveries[2].ready < 0);
  CHECK(s.recoveries[2].committed < 0);
  CHECK(s.ready_seconds.count == 2);
  CHECK(s.ready_seconds.most == 1);
}

TEST_CASE("goodput is the undisturbed time for the time that it took") {
  auto calm = report_by_hand();
  calm.deaths.clear();
  calm.commits = {{1, 1}, {2, 1}, {3, 1}, {4, 1}};
  calm.actors[1].busy_seconds = 1.5;
  const auto g = goodput_of(report_by_hand(), calm);
  CHECK(g.seconds == 9);
  CHECK(g.share == doctest::Approx(4.0 / 9));
  CHECK(g.lost_seconds == 5);
  CHECK(g.down_seconds == 1.5); // the third died after the last commit
  CHECK(g.replay_seconds == 3.5);
  CHECK(g.again_seconds == doctest::Approx(0.5));
  CHECK(goodput_of(calm, calm).share == 1);
  CHECK(spread_of({}).count == 0);
}

TEST_CASE("a death in a world is told with its times, and costs what the undisturbed run lacks") {
  const auto w = data_parallel(small_job(4), {.replicas = 2});
  auto where = failing_cluster(0ns);
  where.model.faults = {{10ms, kill_fault{parse_address("layer_shard/1")}}};
  const auto disturbed = *where.start(w, {.evaluate = false}).wait().simulation;
  const auto calm = *undisturbed(where).start(w).wait().simulation;
  REQUIRE(disturbed.deaths.size() == 1);
  const auto& death = disturbed.deaths[0];
  CHECK(death.who.text() == "layer_shard/1/0");
  CHECK(death.node == 1);
  CHECK(death.killed);
  CHECK(death.seconds == doctest::Approx(0.01));
  // The supervisor, a link away, hears of it and orders the next: twice 200 us, and 50 us to start.
  // `down` has some bytes to send.
  CHECK(death.ready_seconds - death.seconds >= 450e-6);
  CHECK(death.ready_seconds - death.seconds < 460e-6);
  CHECK(calm.deaths.empty());
  REQUIRE(calm.commits.size() == 4);
  REQUIRE(disturbed.commits.size() == 4);
  const auto g = goodput_of(disturbed, calm);
  const auto sum = [](const simulation_report& r) {
    return std::accumulate(r.commits.begin(), r.commits.end(), 0.0, [](double s, const auto& c) {
      return s + c.step_seconds;
    });
  };
  CHECK(g.lost_seconds == doctest::Approx(sum(disturbed) - sum(calm)));
  CHECK(g.share < 1);
  CHECK(g.down_seconds == doctest::Approx(death.ready_seconds - death.seconds));
  // What it had computed of that step, until it died and no longer, is computed again.
  CHECK(g.again_seconds > 0);
  CHECK(g.again_seconds < 0.01);
}

TEST_CASE(
    "failures at a rate are drawn in order, of roles that take part, about as often as said") {
  const auto w = hybrid(small_job(4), {.replicas = 2, .stages = 2});
  const failure_rate rate{.mean_gap = 1ms, .roles = {}};
  const auto drawn = draw_failures(w, rate, 7);
  REQUIRE(drawn.size() == failure_rate::failures_max);
  std::set<std::string> victims;
  std::chrono::nanoseconds before{0};
  int longer = 0;
  for (const auto& f : drawn) {
    CHECK(f.when >= before);
    longer += f.when - before > rate.mean_gap ? 1 : 0;
    before = f.when;
    victims.insert(std::get<kill_fault>(f.what).who.text());
  }
  CHECK(victims.contains("layer_shard/1/1"));
  CHECK_FALSE(victims.contains("director"));
  CHECK_FALSE(victims.contains("evaluator/0"));
  CHECK(std::abs(static_cast<double>(before.count()) / 1e10 - 1) < 0.05);
  // Exponentially distributed gaps: as many exceed their mean as e to the -1.
  CHECK(std::abs(longer / 1e4 - std::exp(-1.0)) < 0.02);
  const auto again = draw_failures(w, rate, 7);
  const auto other = draw_failures(w, rate, 8);
  CHECK(again.back().when == drawn.back().when);
  CHECK(other.back().when != drawn.back().when);
  for (const auto& f : draw_failures(w, {.mean_gap = 1ms, .roles = {role_kind::data_loader}}, 7))
    CHECK(std::get<kill_fault>(f.what).who.role == role_kind::data_loader);
}

TEST_CASE("failures at a rate change nothing but the clock, and are the same run as events") {
  const auto w = data_parallel(small_job(6), {.replicas = 2});
  const auto expected = play_on(failing_cluster(0ns), w, {.evaluate = false});
  for (const std::uint64_t seed : {1, 2, 3}) {
    const auto where = failing_cluster(15ms, seed);
    const auto run = play_on(where, w, {.evaluate = false});
    const auto& facts = *run.result.simulation;
    CHECK(run.digests == expected.digests);
    CHECK(run.losses == expected.losses);
    CHECK(facts.deaths.size() > 1);
    CHECK(facts.trace_hash == play_on(where, w, {.evaluate = false}).result.simulation->trace_hash);
    auto by_hand = failing_cluster(0ns, seed);
    for (const auto& d : facts.deaths)
      by_hand.model.faults.push_back(
          {std::chrono::nanoseconds(std::llround(d.seconds * 1e9)), kill_fault{d.who}});
    CHECK(facts.trace_hash ==
          play_on(by_hand, w, {.evaluate = false}).result.simulation->trace_hash);
  }
}

TEST_CASE("failures that cannot be drawn are told") {
  const auto w = data_parallel(small_job(2), {.replicas = 2});
  auto where = failing_cluster(1ns);
  CHECK_ERROR(where.start(w), "so often");
  where.failures = failure_rate{.mean_gap = 1ms, .roles = {role_kind::residual_keeper}};
  CHECK_ERROR(where.start(w), "nobody plays residual_keeper");
}

TEST_CASE("the histogram of staleness counts each update once") {
  const auto w = parameter_server(small_job(40), {.workers = 3});
  const auto run = play_on(failing_cluster(0ns), w, {.evaluate = false});
  const auto& s = run.result.staleness;
  CHECK(s.count == 40);
  CHECK(std::accumulate(s.updates.begin(), s.updates.end(), std::int64_t{0}) == 40);
  CHECK(s.most + 1 == s.updates.size());
  CHECK(run.result.simulation->commits.size() == 40);
}
