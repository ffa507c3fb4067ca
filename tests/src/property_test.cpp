// The two laws over drawn pairs of a job and a wiring: after every step the digest and the loss are
// those of the sequential reference, whoever computes and whoever is killed.
//   TROUPE_PROPERTY_PAIRS=5000   how many pairs are drawn
//   TROUPE_PROPERTY_SEED=1234    this pair alone, printed
#include "src/small_jobs.hpp"
#include "support/deadline.hpp"
#include "support/random_jobs.hpp"
#include "support/random_wirings.hpp"
#include "support/sequential_reference.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <string>

using namespace troupe;
using namespace troupe::test;

namespace {

constexpr const char* test_name = "any wiring of any job gives the bits of one plain loop";

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::uint64_t pairs_default = 40;
#else
constexpr std::uint64_t pairs_default = 600;
#endif

std::uint64_t number_from_environment(const char* name, std::uint64_t otherwise) {
  const char* given = std::getenv(name);
  return given == nullptr ? otherwise : std::strtoull(given, nullptr, 10);
}

struct tally {
  int compared = 0, refused = 0, diverged = 0, repeated = 0;
  int pipelines = 0, hybrids = 0, grouped = 0, own_schedules = 0, recomputing = 0, edited = 0;
  int dialled = 0, lowered = 0, islands = 0;
  std::int64_t restarts = 0;

  void note(const job& j, const hybrid_options& o, const std::vector<dial>& dials) {
    dialled += dials.empty() ? 0 : 1;
    for (const dial& d : dials)
      lowered += d.kind == credit_kind::depth && o.stages > 1 ? 1 : 0;
    ++compared;
    islands += j.outer.islands > 1 ? 1 : 0;
    pipelines += o.stages > 1 ? 1 : 0;
    hybrids += o.stages > 1 && o.replicas > 1 ? 1 : 0;
    grouped += o.groups > 1 ? 1 : 0;
    own_schedules += o.own_schedule ? 1 : 0;
    recomputing += o.recompute ? 1 : 0;
  }

  [[nodiscard]] std::string text() const {
    return fmt::format(
        "{} pairs compared: {} pipelines, {} of them with replicas; {} in groups; {} on islands; "
        "{} drawn schedules, {} with replicas that differ, {} recomputing, {} run twice, {} with "
        "dials, {} dials for the depth of stages; {} restarts; {} refused, {} diverged",
        compared,
        pipelines,
        hybrids,
        grouped,
        islands,
        own_schedules,
        edited,
        recomputing,
        repeated,
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

void check_against(const reference_run& expected, const log_of_run& run) {
  CHECK(run.digests == expected.digests);
  CHECK(run.losses == expected.losses);
  CHECK(run.result.parameter_digest == expected.digests.back());
}

// The draws of a seed, in this order: job, wiring, edits, kills, dials, threads, whether it runs
// twice.
void check_pair(std::uint64_t seed, bool print, tally& out) {
  chance c(seed);
  const job j = random_job(c);
  const hybrid_options options = random_wiring(c, j);
  std::string told = fmt::format("TROUPE_PROPERTY_SEED={} build/release/tests/test_src -tc=\"{}\"\n"
                                 "{}\n{}",
                                 seed,
                                 test_name,
                                 test::text(j),
                                 test::text(options));
  INFO(told);
  try {
    wiring w = hybrid(j, options);
    if (options.replicas > 1 && c.percent(25)) {
      told += make_replicas_differ(c, options, w);
      ++out.edited;
    }
    const auto kills = random_kills(c, w);
    const auto dials = random_dials(c, w);
    const int threads = c.between(1, 3);
    told += fmt::format("\n{} threads{}{}", threads, test::text(kills), test::text(dials));
    if (print) MESSAGE(told);
    const reference_run expected = play_sequentially(j);
    if (!is_finite(expected)) {
      ++out.diverged;
      return;
    }
    const deadline patience(std::chrono::seconds(100), told);
    for (int times = c.percent(5) ? 2 : 1; times > 0; --times) {
      const log_of_run run = play(w, kills, threads, {}, dials);
      check_against(expected, run);
      for (const credit_use& use : run.result.credit)
        CHECK(use.kept());
      out.restarts += run.result.restarts;
      out.repeated += times == 2 ? 1 : 0;
    }
    out.note(j, options, dials);
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
  if (const auto seed = number_from_environment("TROUPE_PROPERTY_SEED", 0); seed > 0) {
    check_pair(seed, true, all);
    return;
  }
  const auto pairs = number_from_environment("TROUPE_PROPERTY_PAIRS", pairs_default);
  for (std::uint64_t seed = 1; seed <= pairs; ++seed)
    check_pair(seed, false, all);
  MESSAGE(all.text());
  CHECK(all.refused + all.diverged <= all.compared / 20);
  CHECK(all.pipelines >= all.compared / 3);
  CHECK(all.hybrids >= all.compared / 10);
  CHECK(all.grouped >= all.compared / 20);
  CHECK(all.islands >= all.compared / 20);
  CHECK(all.own_schedules >= all.compared / 20);
  CHECK(all.edited >= all.compared / 20);
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
