// The two laws in simulated clusters: whatever the order and the delay of messages, whoever is
// killed, paused or cut off, after every step the digest and the loss are those of a plain loop;
// where updates are applied as they come, each is applied once, within the bound, and all of it can
// be computed again. A world that fails is made smaller until nothing can be left out.
//   TROUPE_SIMULATION_SEEDS=5000   how many worlds are drawn
//   TROUPE_SIMULATION_SEED=1234    this world alone, printed
//   TROUPE_SIMULATION_SHRINK=60    seconds for making a failing world smaller; 0: it stays
#include "ops/files/checkpoint.hpp"
#include "src/small_jobs.hpp"
#include "support/deadline.hpp"
#include "support/environment.hpp"
#include "support/scratch_folder.hpp"
#include "support/shrinking.hpp"
#include "support/world_checks.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <string>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

constexpr const char* test_name = "no order, delay or death in a simulated cluster changes a bit";

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
  int compared = 0, refused = 0, diverged = 0, lost = 0;
  int explored = 0, pipelines = 0, workers = 0, bounded = 0, islands = 0, dealt = 0, groups = 0;
  int stashed = 0, sliced = 0, spread = 0, compressed = 0, residuals = 0, recomputed = 0, saved = 0,
      evaluated = 0, timed = 0, dialled = 0, copied = 0;
  std::int64_t restarts = 0;
  std::uint64_t events = 0, resent = 0, duplicated = 0;

  void note(const drawn_world& d, const run_result& r) {
    const auto count = [](int& of, bool yes) { of += yes ? 1 : 0; };
    const auto& o = d.options;
    ++compared;
    count(explored, d.cluster.model.order == exploration::anything);
    count(pipelines, o.stages > 1);
    count(workers, d.as_they_come());
    count(bounded, o.order.kind == consistency_kind::bounded);
    count(islands, d.job.outer.islands > 1);
    count(dealt, o.balance_shares || o.backups > 0);
    count(groups, o.groups > 1);
    count(stashed, o.stash_weights);
    count(sliced, !d.job.slices.empty());
    count(spread, o.spread_slices);
    count(compressed, d.job.compression != nullptr);
    count(residuals, d.job.compression && d.job.compression->has_residual());
    count(recomputed, o.recompute);
    count(saved, d.checkpoint_every > 0);
    count(evaluated, d.evaluates && d.job.data.test);
    count(timed, d.timed);
    count(dialled, !d.dials.empty());
    count(copied, o.holder_copies > 1);
    restarts += r.restarts;
    events += r.simulation->events;
    for (const auto& link : r.simulation->links) {
      resent += link.resent;
      duplicated += link.duplicated;
    }
  }

  [[nodiscard]] std::string text() const {
    return fmt::format(
        "{} worlds compared, {} of them in any order: {} pipelines, {} servers whose "
        "updates come as they do, {} of them bounded, {} islands, {} dealt, {} in "
        "groups; {} stashed, {} sliced, {} spread, {} compressed, {} with residuals, "
        "{} recomputing; {} with copies of holders; {} with dials, {} saved, {} evaluated, {} "
        "timed; {} messages heard, {} sent again, {} twice; {} restarts; {} refused, {} "
        "diverged, {} lost all copies",
        compared,
        explored,
        pipelines,
        workers,
        bounded,
        islands,
        dealt,
        groups,
        stashed,
        sliced,
        spread,
        compressed,
        residuals,
        recomputed,
        copied,
        dialled,
        saved,
        evaluated,
        timed,
        events,
        resent,
        duplicated,
        restarts,
        refused,
        diverged,
        lost);
  }
};

// How the failure is seen again, and the smallest world that shows it.
std::string report_of(const drawn_world& d, const world_failure& failure) {
  auto out = fmt::format("{}: {}\nTROUPE_SIMULATION_SEED={} build/release/tests/test_src -tc=\"{}\""
                         "\n{}",
                         failure.kind,
                         failure.text,
                         d.seed,
                         "no order*",
                         test::text(d));
  const auto seconds = number_from_environment("TROUPE_SIMULATION_SHRINK", 20);
  if (seconds == 0) return out;
  const auto small = shrunk(d, failure, {.seconds = static_cast<double>(seconds)});
  return out + fmt::format("\nthe same in a smaller world, after {} tries: {}\n{}",
                           small.tries,
                           small.failure.text,
                           test::text(small.world));
}

void check_world(std::uint64_t seed, bool print, tally& out) {
  const auto d = draw_world(seed);
  if (!d) {
    ++out.refused;
    return;
  }
  if (print) MESSAGE(test::text(*d));
  const reference_run expected = reference_of(*d);
  const deadline patience(100s, fmt::format("TROUPE_SIMULATION_SEED={}\n{}", seed, test::text(*d)));
  if (!is_finite(expected)) {
    ++out.diverged;
    return;
  }
  const auto played = world_check(*d, expected).play();
  if (played.failure) {
    FAIL_CHECK(report_of(*d, *played.failure));
    return;
  }
  if (played.diverged || played.lost) {
    ++(played.lost ? out.lost : out.diverged);
    return;
  }
  out.note(*d, played.run.result);
  if (seed % 20 != 0) return;
  const auto again = world_check(*d, expected).play();
  CHECK(again.run.result.simulation->trace_hash == played.run.result.simulation->trace_hash);
}

} // namespace

TEST_CASE(test_name) {
  tally all;
  if (!for_each_seed("TROUPE_SIMULATION_SEED",
                     "TROUPE_SIMULATION_SEEDS",
                     unless_sanitized(200, 30),
                     [&](std::uint64_t seed, bool alone) { check_world(seed, alone, all); }))
    return;
  MESSAGE(all.text());
  CHECK(all.refused + all.diverged <= all.compared / 10);
  CHECK(all.lost <= all.compared / 20);
  CHECK(all.explored >= all.compared / 3);
  CHECK(all.pipelines >= all.compared / 3);
  for (const auto often :
       {all.workers, all.dealt, all.compressed, all.saved, all.dialled, all.copied})
    CHECK(often >= all.compared / 10);
  for (const auto rare : {all.islands,
                          all.bounded,
                          all.groups,
                          all.sliced,
                          all.residuals,
                          all.recomputed,
                          all.evaluated,
                          all.timed})
    CHECK(rare >= all.compared / 30);
  CHECK(all.stashed + all.spread >= all.compared / 30);
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
  CHECK(std::any_of(run.faults.begin(), run.faults.end(), [&](const fault_event& f) {
    return f.who == stage_one;
  }));
  CHECK(run.result.seconds < 2 * calm.result.seconds);
}

TEST_CASE("a simulation in which nobody can go on says who waits") {
  const auto w = data_parallel(small_job(8), {.replicas = 2});
  auto torn = slow_links(77);
  torn.model.faults = {{20ms, cut_fault{0, 1}}};
  CHECK_THROWS_WITH_AS(simulate(w, torn), doctest::Contains("nobody can go on"), error);
  CHECK_THROWS_WITH_AS(simulate(w, torn), doctest::Contains("cut links: 0 -> 1"), error);
  CHECK_THROWS_WITH_AS(simulate(w, torn), doctest::Contains("seed 77"), error);
  CHECK_THROWS_WITH_AS(
      simulate(w, torn), doctest::Contains("the link from node 0 to node 1 is cut"), error);
  CHECK_THROWS_WITH_AS(simulate(w, torn), doctest::Contains("for the commit of step 2"), error);
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
  base.costs.machine.flops_per_second = 1e8;
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
  wrong.model.faults = {{1ms, kill_fault{{.role = role_kind::director, .replica = 1}}},
                        {1ms, pause_fault{9}},
                        {1ms, cut_fault{1, 1}}};
  const auto told = joined(mistakes_of(wrong, w)).text();
  for (const char* part : {"cannot be spread over 3 nodes",
                           "0 cores",
                           "no node 7",
                           "-1 times as long",
                           "share of 1 of messages",
                           "nobody plays director/1",
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
  const std::string folder = "/nowhere/checkpoints";
  CHECK(files->folders(folder) == std::vector<std::string>{"step-00000006", "step-00000008"});
  CHECK(result.last_checkpoint == folder + "/step-00000008");
  const scratch_folder here;
  for (const auto& name : files->list(result.last_checkpoint))
    here.write(name, files->files().at(result.last_checkpoint + "/" + name));
  const auto last = read_checkpoint(here.path(), result.layout);
  CHECK(parameter_digest(result.layout, last.parameters) == result.parameter_digest);
}
