// The two laws in simulated clusters: whatever the order and the delay of messages, whoever is
// killed, paused or cut off, after every step the digest and the loss are those of a plain loop.
//   TROUPE_SIMULATION_SEEDS=5000   how many worlds are drawn
//   TROUPE_SIMULATION_SEED=1234    this world alone, printed
#include "src/small_jobs.hpp"
#include "support/deadline.hpp"
#include "support/random_jobs.hpp"
#include "support/random_wirings.hpp"
#include "support/random_worlds.hpp"
#include "support/sequential_reference.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <set>
#include <string>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

constexpr const char* test_name = "no order, delay or death in a simulated cluster changes a bit";

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::uint64_t seeds_default = 30;
#else
constexpr std::uint64_t seeds_default = 200;
#endif

std::uint64_t number_from_environment(const char* name, std::uint64_t otherwise) {
  const char* given = std::getenv(name);
  return given == nullptr ? otherwise : std::strtoull(given, nullptr, 10);
}

log_of_run simulate(const wiring& w,
                    const simulated_cluster& where,
                    run_options options = {.evaluate = false}) {
  return play_on(where, w, std::move(options));
}

simulated_cluster slow_links(std::uint64_t seed) {
  simulated_cluster out;
  out.model.seed = seed;
  out.model.link = {.latency = 500us, .jitter = 300us, .bytes_per_second = 1e8, .loss = 0.01};
  return out;
}

struct tally {
  int compared = 0, refused = 0, diverged = 0, explored = 0, pipelines = 0;
  std::int64_t restarts = 0;
  std::uint64_t events = 0, resent = 0, duplicated = 0;

  [[nodiscard]] std::string text() const {
    return fmt::format("{} worlds compared, {} of them in any order, {} pipelines; {} messages "
                       "heard, {} sent again, {} twice; {} restarts; {} refused, {} diverged",
                       compared,
                       explored,
                       pipelines,
                       events,
                       resent,
                       duplicated,
                       restarts,
                       refused,
                       diverged);
  }
};

// The draws of a seed, in this order: job, wiring, edits, nodes, kills, dials, world, whether it
// runs twice.
void check_world(std::uint64_t seed, bool print, tally& out) {
  chance c(seed);
  const job j = random_job(c);
  const hybrid_options options = random_wiring(c, j);
  std::string told =
      fmt::format("TROUPE_SIMULATION_SEED={} build/release/tests/test_src -tc=\"{}\"\n{}\n{}",
                  seed,
                  test_name,
                  test::text(j),
                  test::text(options));
  INFO(told);
  if (!mistakes_of(j, options).empty()) {
    ++out.refused;
    return;
  }
  wiring w = hybrid(j, options);
  const bool may_differ = !options.spread_slices && !options.stash_weights &&
                          (!j.compression || j.compressed_microbatches == 1);
  if (options.replicas > 1 && may_differ && c.percent(30))
    told += make_replicas_differ(c, options, w);
  if (c.percent(40)) scatter(w);
  const auto kills = random_kills(c, w);
  const auto dials = random_dials(c, w);
  const auto world = random_world(c, w, seed);
  told += "\n" + test::text(world) + test::text(kills) + test::text(dials);
  if (print) MESSAGE(told);
  const reference_run expected = play_sequentially(j, delays_of(w));
  if (!std::all_of(expected.losses.begin(), expected.losses.end(), [](double x) {
        return std::isfinite(x);
      })) {
    ++out.diverged;
    return;
  }
  const deadline patience(100s, told);
  std::uint64_t hash = 0;
  for (int times = c.percent(5) ? 2 : 1; times > 0; --times)
    try {
      const log_of_run run = simulate(w, world, {.kills = kills, .dials = dials});
      CHECK(run.digests == expected.digests);
      CHECK(run.losses == expected.losses);
      const auto& facts = *run.result.simulation;
      if (hash != 0) CHECK(hash == facts.trace_hash);
      hash = facts.trace_hash;
      out.restarts += run.result.restarts;
      out.events += facts.events;
      for (const auto& link : facts.links) {
        out.resent += link.resent;
        out.duplicated += link.duplicated;
      }
    } catch (const error& e) {
      FAIL_CHECK(std::string(e.what()));
    }
  ++out.compared;
  out.explored += world.model.order == exploration::anything ? 1 : 0;
  out.pipelines += options.stages > 1 ? 1 : 0;
}

} // namespace

TEST_CASE(test_name) {
  tally all;
  if (const auto seed = number_from_environment("TROUPE_SIMULATION_SEED", 0); seed > 0) {
    check_world(seed, true, all);
    return;
  }
  const auto seeds = number_from_environment("TROUPE_SIMULATION_SEEDS", seeds_default);
  for (std::uint64_t seed = 1; seed <= seeds; ++seed)
    check_world(seed, false, all);
  MESSAGE(all.text());
  CHECK(all.refused + all.diverged <= all.compared / 20);
  CHECK(all.explored >= all.compared / 3);
  CHECK(all.pipelines >= all.compared / 3);
  CHECK(all.restarts >= all.compared / 2);
  CHECK(all.resent > 0);
  CHECK(all.duplicated > 0);
}

TEST_CASE("a simulated run has the bits of a live one and of a plain loop, under every topology") {
  const auto j = small_job(8);
  const auto live = play(data_parallel(j, {.replicas = 2}));
  const auto expected = play_sequentially(j);
  CHECK(live.digests == expected.digests);
  const wiring wirings[] = {data_parallel(j, {.replicas = 4}),
                            data_parallel(j, {.replicas = 4, .groups = 2}),
                            pipeline(j, {.stages = 3}),
                            hybrid(j, {.replicas = 2, .stages = 2, .schedule = "zero-bubble"}),
                            parameter_server(j, {.workers = 2, .servers = 2, .order = {}})};
  for (const auto& w : wirings) {
    CAPTURE(w.name);
    const auto run = simulate(w, slow_links(1));
    check_same(live, run);
    REQUIRE(run.result.simulation);
    CHECK(run.result.seconds > 8 * 0.001); // several latencies a step
    CHECK(run.result.simulation->events > 100);
    CHECK(!run.result.simulation->links.empty());
  }
}

TEST_CASE("the same seed gives the same simulation, another one another order and the same bits") {
  const auto w = data_parallel(small_job(5), {.replicas = 2});
  const auto a = simulate(w, slow_links(1)), again = simulate(w, slow_links(1)),
             b = simulate(w, slow_links(2));
  CHECK(a.result.simulation->trace_hash == again.result.simulation->trace_hash);
  CHECK(a.result.simulation->trace_hash != b.result.simulation->trace_hash);
  CHECK(a.result.seconds == again.result.seconds);
  check_same(a, again);
  check_same(a, b);
}

TEST_CASE("no world changes the bits of compressed, sliced and weight-stashing jobs") {
  auto compressed = small_job(6);
  compressed.compression = make_codec("top-k 0.1");
  auto sliced = small_job(6);
  sliced.slices = {{.layer = "7", .slices = 2}};
  const wiring wirings[] = {hybrid(compressed, {.replicas = 2, .stages = 2}),
                            hybrid(sliced, {.replicas = 2, .spread_slices = true}),
                            pipeline(small_job(6, 1), {.stages = 3, .stash_weights = true})};
  for (const auto& w : wirings) {
    CAPTURE(w.name);
    const auto live = play(w);
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
      CAPTURE(seed);
      chance c(seed);
      auto world = random_world(c, w, seed);
      check_same(live, simulate(w, world));
    }
  }
}

TEST_CASE("in any world asynchronous jobs apply each gradient once and keep their bound") {
  for (std::uint64_t seed = 1; seed <= 120; ++seed) {
    CAPTURE(seed);
    chance c(seed);
    const auto bound = static_cast<std::uint64_t>(c.between(0, 3));
    const bool bounded = c.percent(60);
    const int workers = c.between(2, 4);
    auto w = parameter_server(
        small_job(4L * workers, 2),
        {.workers = workers,
         .servers = c.between(1, 3),
         .order = bounded ? consistency{.kind = consistency_kind::bounded, .staleness = bound}
                          : consistency{.kind = consistency_kind::asynchronous},
         .stages = c.one_of({1, 1, 2})});
    if (c.percent(40)) scatter(w);
    const auto world = random_world(c, w, seed);
    const auto run = simulate(w, world);
    CHECK(run.digests.size() == static_cast<std::size_t>(4 * workers));
    CHECK(run.result.staleness.count == 4 * workers);
    if (bounded) CHECK(run.lead <= bound);
    if (seed % 10 == 0)
      CHECK(simulate(w, world).result.parameter_digest == run.result.parameter_digest);
  }
}

TEST_CASE("a death in virtual time changes no bit, and is told with its recovery") {
  const auto w = hybrid(small_job(8), {.replicas = 2, .stages = 2});
  const auto calm = simulate(w, slow_links(1));
  auto deadly = slow_links(1);
  const address stage_one{.role = role_kind::layer_shard, .replica = 1, .stage = 1};
  deadly.model.faults = {{30ms, kill_fault{stage_one}},
                         {31ms, kill_fault{{.role = role_kind::gradient_aggregator}}}};
  const auto run = simulate(w, deadly, {.kills = {{{.role = role_kind::data_loader}, 3, 1}}});
  check_same(calm, run);
  CHECK(run.result.restarts == 3);
  CHECK(run.faults.at(0).who == stage_one);
  CHECK(run.result.seconds < 2 * calm.result.seconds);
}

TEST_CASE("a simulation in which nobody can go on says who waits") {
  const auto w = data_parallel(small_job(8), {.replicas = 2});
  auto torn = slow_links(77);
  torn.model.faults = {{20ms, cut_fault{0, 1}}};
  CHECK_THROWS_WITH_AS(simulate(w, torn), doctest::Contains("nobody can go on"), error);
  CHECK_THROWS_WITH_AS(simulate(w, torn), doctest::Contains("cut links: 0 -> 1"), error);
  CHECK_THROWS_WITH_AS(simulate(w, torn), doctest::Contains("seed 77"), error);
  CHECK_THROWS_WITH_AS(simulate(w, torn), doctest::Contains("steps committed, "), error);
  CHECK_THROWS_WITH_AS(simulate(w, torn), doctest::Contains("for parameters: 1 of 2"), error);
  CHECK_THROWS_WITH_AS(simulate(w, torn), doctest::Contains("last heard"), error);
}

TEST_CASE(
    "without mathematics the same is said at the same times, and a thousand nodes take seconds") {
  auto sliced = small_job(4);
  sliced.slices = {{.layer = "7", .slices = 2}};
  for (const auto& w : {data_parallel(small_job(4), {.replicas = 4, .groups = 2}),
                        hybrid(small_job(4), {.replicas = 2, .stages = 2}),
                        pipeline(small_job(4), {.stages = 3, .schedule = "zero-bubble"}),
                        hybrid(sliced, {.replicas = 2, .spread_slices = true})}) {
    CAPTURE(w.name);
    auto world = slow_links(5);
    const auto full = simulate(w, world, {.evaluate = false});
    world.timing_only = true;
    const auto timed = simulate(w, world);
    CHECK(timed.result.simulation->trace_hash == full.result.simulation->trace_hash);
    CHECK(timed.result.seconds == full.result.seconds);
    CHECK(timed.digests != full.digests);
  }
  auto many = small_job(3, 1000);
  many.batch = 1000;
  many.data = load_data("synthetic:1000", 3);
  auto world = slow_links(1);
  world.timing_only = true;
  const auto run =
      simulate(data_parallel(many, {.replicas = 1000, .holders = 4, .groups = 40}), world);
  CHECK(run.result.steps == 3);
  CHECK(run.result.simulation->actors.size() > 2000);
}

TEST_CASE("a slower node, a slower link and fewer cores take more virtual time") {
  const auto w = data_parallel(small_job(6), {.replicas = 2});
  simulated_cluster base;
  base.model.link = {.latency = 10us, .bytes_per_second = 1e9};
  base.costs.flops_per_second = 1e8;
  const auto seconds = [&](const auto& change) {
    auto changed = base;
    change(changed);
    return simulate(w, changed).result.seconds;
  };
  const double calm = seconds([](auto&) {});
  CHECK(seconds([](auto& s) { s.model.nodes[1] = {.slowness = 3}; }) > 2 * calm);
  CHECK(seconds([](auto& s) { s.model.link.bytes_per_second = 1e6; }) > 2 * calm);
  CHECK(seconds([](auto& s) { s.nodes = 1; }) < 1.1 * calm);
  CHECK(seconds([](auto& s) {
          s.nodes = 1;
          s.model.node.cores = 1;
        }) > 1.5 * calm);
}

TEST_CASE("every mistake of a simulated cluster is told at once") {
  const auto w = data_parallel(small_job(3), {.replicas = 2});
  simulated_cluster wrong{.nodes = 3};
  wrong.model.node.cores = 0;
  wrong.model.nodes[7] = {.slowness = -1};
  wrong.model.link.loss = 1;
  wrong.model.faults = {{1ms, kill_fault{{.role = role_kind::director}}},
                        {1ms, pause_fault{9}},
                        {1ms, cut_fault{1, 1}}};
  const auto told = joined(mistakes_of(wrong, w)).text();
  for (const char* part : {"cannot be spread over 3 nodes",
                           "0 cores",
                           "no node 7",
                           "-1 times as long",
                           "share of 1 of messages",
                           "director cannot be killed",
                           "no node 9",
                           "no link to itself"})
    CHECK_MESSAGE((told.what + told.where + told.why).find(part) != std::string::npos, part);
  CHECK_THROWS_AS(static_cast<void>(wrong.start(w)), error);
}

TEST_CASE("a simulated cluster keeps its checkpoints in memory, the newest ones") {
  const auto files = std::make_shared<memory_disk>();
  simulated_cluster where;
  where.files = files;
  const auto result = where
                          .start(data_parallel(small_job(8), {.replicas = 2}),
                                 {.checkpoint_folder = "/nowhere/checkpoints",
                                  .checkpoint_every = 2,
                                  .checkpoints_kept = 2,
                                  .evaluate = false})
                          .wait();
  const auto kept = files->files();
  REQUIRE(kept.size() == 2);
  CHECK(kept.begin()->first == "/nowhere/checkpoints/step-00000006.safetensors");
  CHECK(kept.rbegin()->first == result.last_checkpoint);
  const auto last = parse_checkpoint(kept.rbegin()->second, result.last_checkpoint, result.layout);
  CHECK(parameter_digest(result.layout, last.parameters) == result.parameter_digest);
}
