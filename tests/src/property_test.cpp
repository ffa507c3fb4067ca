// The two laws over drawn pairs of a job and a wiring: after every step the digest and the loss are
// those of the sequential reference, whoever computes and whoever is killed.
//   TROUPE_PROPERTY_PAIRS=5000   how many pairs are drawn
//   TROUPE_PROPERTY_SEED=1234    this pair alone, printed
#include "ops/files/sharded_checkpoint.hpp"
#include "src/nodes_of_threads.hpp"
#include "src/small_jobs.hpp"
#include "support/deadline.hpp"
#include "support/environment.hpp"
#include "support/random_jobs.hpp"
#include "support/random_wirings.hpp"
#include "support/scratch_folder.hpp"
#include "support/sequential_reference.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <string>
#include <vector>

using namespace troupe;
using namespace troupe::test;

namespace {

constexpr const char* test_name = "any wiring of any job gives the bits of one plain loop";

struct tally {
  int compared = 0, refused = 0, diverged = 0, repeated = 0;
  int pipelines = 0, hybrids = 0, grouped = 0, dealt = 0, own_schedules = 0, recomputing = 0;
  int edited = 0, sliced = 0, spread = 0, compressed = 0, with_residuals = 0, tested = 0,
      stashed = 0;
  int resumed = 0, split = 0, partial = 0, balanced = 0;
  int dialled = 0, lowered = 0, islands = 0, over_nodes = 0;
  std::int64_t restarts = 0;

  void note(const job& j, const hybrid_options& o, const std::vector<dial>& dials) {
    const auto count = [](int& of, bool yes) { of += yes ? 1 : 0; };
    count(dialled, !dials.empty());
    for (const dial& d : dials)
      count(lowered, d.kind == credit_kind::depth && o.stages > 1);
    ++compared;
    count(islands, j.outer.islands > 1);
    count(pipelines, o.stages > 1);
    count(hybrids, o.stages > 1 && o.replicas > 1);
    count(grouped, o.groups > 1);
    count(dealt, o.balance_shares || o.backups > 0);
    count(own_schedules, o.own_schedule.has_value());
    count(recomputing, o.recompute);
    count(sliced, !j.slices.empty());
    count(spread, o.spread_slices);
    count(compressed, j.compression != nullptr);
    count(with_residuals, j.compression && j.compression->has_residual());
    count(tested, j.data.test != nullptr);
    count(stashed, o.stash_weights);
    count(partial, j.data.train->size() % j.batch > 1);
    count(balanced, j.balanced_sampling);
    const graph g = graph_of(j);
    const auto large = [&](const auto& p) { return p.dims.elements() * 4 > o.block_bytes_max; };
    count(split,
          o.block_bytes_max > 0 && std::any_of(g.parameters.begin(), g.parameters.end(), large));
  }

  [[nodiscard]] std::string text() const {
    return fmt::format(
        "{} pairs compared: {} pipelines, {} of them with replicas; {} in groups; {} on islands; "
        "{} dealt step by step; {} drawn "
        "schedules, {} with replicas that differ, {} recomputing; {} sliced, {} with shards for "
        "slices; {} compressed, {} with residuals; {} with stashed weights; {} with layers in "
        "several blocks, {} balanced, {} with images left over; {} evaluated; {} resumed under "
        "another wiring, {} run twice, {} over several nodes, {} with dials, {} dials for the "
        "depth "
        "of stages; {} restarts; "
        "{} refused, {} diverged",
        compared,
        pipelines,
        hybrids,
        grouped,
        islands,
        dealt,
        own_schedules,
        edited,
        recomputing,
        sliced,
        spread,
        compressed,
        with_residuals,
        stashed,
        split,
        balanced,
        partial,
        tested,
        resumed,
        repeated,
        over_nodes,
        dialled,
        lowered,
        restarts,
        refused,
        diverged);
  }
};

bool is_finite(const reference_run& r) {
  return std::all_of(r.losses.begin(), r.losses.end(), [](double x) { return std::isfinite(x); });
}

template <class T>
std::vector<T> last_of(const std::vector<T>& all, std::size_t count) {
  return {all.end() - static_cast<std::ptrdiff_t>(std::min(count, all.size())), all.end()};
}

// A run to the end, from its beginning or from a checkpoint after `first` steps.
void check_against(const reference_run& expected, const log_of_run& run, std::size_t first = 0) {
  const auto steps = expected.digests.size() - first;
  CHECK(run.digests == last_of(expected.digests, steps));
  CHECK(run.losses == last_of(expected.losses, steps));
  CHECK(run.result.parameter_digest == expected.digests.back());
  std::vector<double> losses, accuracies;
  for (const epoch_event& e : run.epochs) {
    losses.push_back(e.test_loss);
    accuracies.push_back(e.test_accuracy);
  }
  if (!run.result.tested) return;
  CHECK(losses == last_of(expected.test_losses, losses.size()));
  CHECK(accuracies == last_of(expected.test_accuracies, losses.size()));
  if (first == 0) CHECK(losses.size() == expected.test_losses.size());
}

// A wiring of a drawn job, with what disturbs it; `told` says how it was drawn.
struct drawn_run {
  wiring wired;
  std::vector<planned_kill> kills;
  std::vector<dial> dials;
  std::vector<slow_actor> slow;
  int threads = 0;

  [[nodiscard]] run_options options() const {
    return {.kills = kills, .slow = slow, .dials = dials};
  }
};

drawn_run
draw_run(chance& c, const job& j, const hybrid_options& options, std::string& told, tally& out) {
  drawn_run run{.wired = hybrid(j, options), .kills = {}, .dials = {}, .slow = {}};
  const bool may_differ = !options.spread_slices && !options.stash_weights &&
                          (!j.compression || j.compressed_microbatches == 1);
  if (options.replicas > 1 && may_differ && c.percent(30)) {
    told += make_replicas_differ(c, options, run.wired);
    ++out.edited;
  }
  run.kills = random_kills(c, run.wired);
  if (options.holder_copies > 1) add_holder_kills(c, run.wired, run.kills);
  draw_calls(j.seed, run.kills);
  run.dials = random_dials(c, run.wired);
  run.threads = c.between(1, 3);
  if (run.wired.deals_shares()) run.slow = random_slow(c, run.wired);
  told += fmt::format("\n{} threads{}{}{}",
                      run.threads,
                      test::text(run.kills),
                      test::text(run.dials),
                      test::text(run.slow));
  return run;
}

// Every fourth pair over 2 to 5 nodes, whatever is drawn.
log_of_run play_drawn(const drawn_run& run, std::uint64_t seed, tally& out) {
  if (seed % 4 != 0) return play_with(run.wired, run.options(), run.threads);
  ++out.over_nodes;
  const auto count = static_cast<std::uint32_t>(2 + seed / 4 % 4);
  return play_on(nodes_of_threads{.count = count,
                                  .coordinator = fmt::format("inproc://pair-{}", out.over_nodes),
                                  .threads = run.threads},
                 run.wired,
                 run.options());
}

// Goes on from a checkpoint under another drawn wiring; where weights are stashed, which is part of
// the result, under the same one.
void check_resumed(chance& c,
                   const job& j,
                   const hybrid_options& options,
                   const reference_run& expected,
                   std::string& told,
                   tally& out) {
  const std::int64_t every = options.stash_weights ? j.steps_per_epoch() : c.between(1, 2);
  if (every >= j.steps) return;
  const scratch_folder folder;
  told += fmt::format("\nsaved after each {} steps", every);
  const drawn_run first = draw_run(c, j, options, told, out);
  auto saving = first.options();
  saving.checkpoint_folder = folder.path();
  saving.checkpoint_every = every;
  saving.checkpoints_kept = 100;
  check_against(expected, play_with(first.wired, saving, first.threads));

  const auto step = every * c.between(1, static_cast<int>((j.steps - 1) / every));
  hybrid_options others = options;
  if (!options.stash_weights) {
    others = random_wiring(c, j);
    others.stash_weights = false;
  }
  told += fmt::format("\nresumed after {} steps\n{}", step, test::text(others));
  const drawn_run second = draw_run(c, j, others, told, out);
  auto resuming = second.options();
  resuming.resume = folder.file(fmt::format("step-{:08}", step));
  if (manifest_of(resuming.resume).empty()) return; // who had a part of it died
  check_against(
      expected, play_with(second.wired, resuming, second.threads), static_cast<std::size_t>(step));
  ++out.resumed;
}

// The draws of a seed, in this order: job, wiring, edits, kills, dials, threads, who is slow where
// shares are dealt, whether it runs twice, whether it is resumed, and how.
void check_pair(std::uint64_t seed, bool print, tally& out) {
  chance c(seed);
  const job j = random_job(c);
  hybrid_options options = random_wiring(c, j);
  options.holder_copies = random_copies(seed);
  std::string told = fmt::format("TROUPE_PROPERTY_SEED={} build/release/tests/test_src -tc=\"{}\"\n"
                                 "{}\n{}",
                                 seed,
                                 test_name,
                                 test::text(j),
                                 test::text(options));
  INFO(told);
  try {
    const drawn_run first = draw_run(c, j, options, told, out);
    if (print) MESSAGE(told);
    const reference_run expected = play_sequentially(j, delays_of(first.wired));
    if (!is_finite(expected)) {
      ++out.diverged;
      return;
    }
    const deadline patience(std::chrono::seconds(100), told);
    for (int times = c.percent(5) ? 2 : 1; times > 0; --times) {
      const log_of_run run = play_drawn(first, seed, out);
      check_against(expected, run);
      for (const credit_use& use : run.result.credit)
        CHECK(use.kept());
      out.restarts += run.result.restarts;
      out.repeated += times == 2 ? 1 : 0;
    }
    if (c.percent(12)) check_resumed(c, j, options, expected, told, out);
    if (print) MESSAGE(told);
    out.note(j, options, first.dials);
  } catch (const error& e) {
    if (mistakes_of(j, options).empty())
      FAIL_CHECK(e.what());
    else
      ++out.refused;
  }
}

} // namespace

TEST_CASE(test_name) {
  tally all;
  if (!for_each_seed("TROUPE_PROPERTY_SEED",
                     "TROUPE_PROPERTY_PAIRS",
                     unless_sanitized(400, 40),
                     [&](std::uint64_t seed, bool alone) { check_pair(seed, alone, all); }))
    return;
  MESSAGE(all.text());
  CHECK(all.refused + all.diverged <= all.compared / 20);
  CHECK(all.pipelines >= all.compared / 3);
  CHECK(all.hybrids >= all.compared / 10);
  for (const auto rare : {all.grouped,
                          all.islands,
                          all.dealt,
                          all.own_schedules,
                          all.edited,
                          all.sliced,
                          all.compressed,
                          all.with_residuals,
                          all.tested,
                          all.partial,
                          all.balanced})
    CHECK(rare >= all.compared / 20);
  for (const auto rarer : {all.spread, all.stashed, all.split, all.resumed})
    CHECK(rarer >= all.compared / 40);
  CHECK(all.restarts >= all.compared / 10);
  CHECK(all.dialled >= all.compared / 4);
  CHECK(all.lowered >= all.compared / 10);
}

TEST_CASE("the plain loop gives the bits of a data-parallel run, and notices another job") {
  const auto j = small_job(6);
  const auto expected = play_sequentially(j);
  check_against(expected, play(data_parallel(j)));
  auto other = j;
  other.microbatches = 2;
  CHECK(play_sequentially(other).digests != expected.digests);
  other = j;
  other.seed = 8;
  CHECK(play_sequentially(other).digests != expected.digests);
}
