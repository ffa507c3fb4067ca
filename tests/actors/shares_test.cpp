#include "actors/shares.hpp"

#include "support/chance.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>

using namespace troupe;

namespace {

using counts = std::vector<std::uint32_t>;

// The least time of all ways to share, each replica getting one unit at least.
double best(const std::vector<double>& seconds, std::uint32_t units, std::size_t first = 0) {
  if (first + 1 == seconds.size()) return units * seconds[first];
  const auto others = static_cast<std::uint32_t>(seconds.size() - first - 1);
  double out = 1e300;
  for (std::uint32_t n = 1; n + others <= units; ++n)
    out = std::min(out, std::max(n * seconds[first], best(seconds, units - n, first + 1)));
  return out;
}

} // namespace

TEST_CASE("shares are in proportion to speed, and nobody gets none") {
  CHECK(shares_of({1, 1}, 8) == counts{4, 4});
  CHECK(shares_of({1, 3}, 8) == counts{6, 2});
  CHECK(shares_of({3, 1}, 8) == counts{2, 6});
  CHECK(shares_of({1, 1000}, 8) == counts{7, 1});
  CHECK(shares_of({1, 1, 2}, 10) == counts{4, 4, 2});
  CHECK(shares_of({5}, 3) == counts{3});
  CHECK(shares_of({1, 9, 4}, 3) == counts{1, 1, 1});
}

TEST_CASE("no other shares end earlier") {
  test::chance c(1);
  for (int times = 0; times < 200; ++times) {
    std::vector<double> seconds(static_cast<std::size_t>(c.between(1, 4)));
    for (double& s : seconds)
      s = c.between(1, 50);
    const auto units = static_cast<std::uint32_t>(c.between(static_cast<int>(seconds.size()), 12));
    const auto dealt = shares_of(seconds, units);
    CHECK(std::accumulate(dealt.begin(), dealt.end(), 0U) == units);
    CHECK(slowest_of(dealt, seconds) == best(seconds, units));
  }
}

TEST_CASE("shares are told as a proportion, and whose work a backup does") {
  CHECK(text(std::vector<replica_share>{{0, {0, 6}}, {1, {6, 2}}}) == "6:2");
  CHECK(text(std::vector<replica_share>{{0, {0, 4}}, {1, {4, 4}}, {2, {4, 4}}}) ==
        "4:4, replica 2 as replica 1");
  CHECK(text(std::vector<replica_share>{}).empty());
}
