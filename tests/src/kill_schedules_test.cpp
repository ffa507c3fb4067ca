// Schedules of kills by the hundred thousand: of every role and of whole nodes, alone, together,
// and again while they come back, with pauses, partitions and full disks in between and the
// messages in any order; every fourth with kills at fault points. Each ends with the bits of the
// plain loop, or with each update applied once. The jobs are few and small, and what they come to
// is known beforehand: so one costs a few milliseconds.
//   TROUPE_KILL_SCHEDULES=100000   how many are drawn
//   TROUPE_KILL_SCHEDULE=1234      this one alone, printed
#include "support/kill_schedules.hpp"

#include "support/environment.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <string>

using namespace troupe;
using namespace troupe::test;

namespace {

std::string text_of(const drawn_world& d) {
  std::string out;
  for (const auto& f : d.cluster.model.faults)
    out += fmt::format("\n  {}", test::text(f));
  for (const auto& k : d.kills)
    out += fmt::format("\n  kill {}", troupe::text(k));
  return out;
}

} // namespace

TEST_CASE("no schedule of kills changes a bit or loses an update") {
  const auto all = subjects();
  int lost = 0, deaths = 0, played = 0;
  const auto check = [&](std::uint64_t seed, bool alone) {
    chance c(seed);
    const auto& s = all[c.below(all.size())];
    const auto d = seed % 4 == 0 ? aimed_schedule_of(s, c, seed) : schedule_of(s, c, seed);
    if (alone) MESSAGE(s.job.name << text_of(d));
    const auto run = world_check(d, s.expected).play();
    ++played;
    lost += run.lost ? 1 : 0;
    deaths += static_cast<int>(run.run.result.restarts);
    if (run.failure)
      FAIL_CHECK(fmt::format("{}: {}: {}{}\nTROUPE_KILL_SCHEDULE={} build/release/tests/test_src "
                             "-tc=\"no schedule of kills*\"",
                             s.job.name,
                             run.failure->kind,
                             run.failure->text,
                             text_of(d),
                             seed));
  };
  if (!for_each_seed(
          "TROUPE_KILL_SCHEDULE", "TROUPE_KILL_SCHEDULES", unless_sanitized(500, 40), check))
    return;
  MESSAGE(played << " schedules, " << deaths << " restarts; " << lost
                 << " times all copies were gone");
  CHECK(deaths > played);
  CHECK(lost * 50 < played);
}
