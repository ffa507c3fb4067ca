// Four nodes, between which any set of the twelve directed links is cut in the middle of a step and
// heals later: each step is committed once, with the bits of the calm run.
//   TROUPE_CUT_STRIDE=1   every one of the 4096 sets (else a part of them, in about two seconds)
#include "src/killed_jobs.hpp"
#include "support/environment.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <utility>
#include <vector>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

constexpr int nodes = 4;

std::vector<std::pair<int, int>> directed_links() {
  std::vector<std::pair<int, int>> out;
  for (int from = 0; from < nodes; ++from)
    for (int to = 0; to < nodes; ++to)
      if (from != to) out.emplace_back(from, to);
  return out;
}

simulated_cluster with_cuts(unsigned mask, std::chrono::nanoseconds when) {
  auto out = quiet();
  const auto links = directed_links();
  for (std::size_t l = 0; l < links.size(); ++l)
    if ((mask >> l & 1U) != 0) {
      out.model.faults.push_back({when, cut_fault{links[l].first, links[l].second}});
      out.model.faults.push_back({when + 5ms, heal_fault{links[l].first, links[l].second}});
    }
  return out;
}

} // namespace

TEST_CASE("whichever directed links between four nodes are cut, each step is committed once") {
  const auto w = data_parallel(brief_job(3), {.replicas = 4});
  REQUIRE(w.nodes() == nodes);
  const auto calm = play_on(quiet(), w, {.evaluate = false});
  const auto moments = moments_of(w, quiet(), {.evaluate = false});
  const unsigned sets = 1U << directed_links().size();
  const auto stride =
      static_cast<unsigned>(number_from_environment("TROUPE_CUT_STRIDE", unless_sanitized(3, 101)));
  for (unsigned mask = 0; mask < sets; mask += stride) {
    CAPTURE(mask);
    auto where = with_cuts(mask, moments[mask % moments.size()]);
    std::map<std::uint64_t, std::set<std::uint64_t>> committed; // digests, by step
    where.on_message = [&](const heard_message& m) {
      if (const auto* c = std::get_if<protocol::step_committed>(m.content))
        committed[c->step].insert(c->digest);
    };
    const auto run = play_on(where, w, {.evaluate = false});
    check_same(calm, run);
    CHECK(committed.size() == calm.digests.size());
    for (const auto& [step, digests] : committed)
      CHECK(digests == std::set{calm.digests[step]});
  }
}
