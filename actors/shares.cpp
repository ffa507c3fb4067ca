#include "actors/shares.hpp"

#include "ops/assert.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <queue>
#include <utility>

namespace troupe {

std::string text(const std::vector<replica_share>& shares) {
  std::string counts, backups;
  for (auto s = shares.begin(); s != shares.end(); ++s) {
    const auto first =
        std::find_if(shares.begin(), s, [&](const replica_share& o) { return o.run == s->run; });
    if (first == s)
      counts += fmt::format("{}{}", counts.empty() ? "" : ":", s->run.count);
    else
      backups += fmt::format(", replica {} as replica {}", s->replica, first->replica);
  }
  return counts + backups;
}

double slowest_of(const std::vector<std::uint32_t>& counts, const std::vector<double>& seconds) {
  double out = 0;
  for (std::size_t r = 0; r < counts.size(); ++r)
    out = std::max(out, counts[r] * seconds[r]);
  return out;
}

// One unit after the other goes to whom would end it first: for equal units no other order ends
// earlier.
std::vector<std::uint32_t> shares_of(const std::vector<double>& seconds, std::uint32_t units) {
  TROUPE_ASSERT(units >= seconds.size(), "a unit for each replica");
  std::vector<std::uint32_t> out(seconds.size(), 1);
  using ending = std::pair<double, std::size_t>; // with one more, who
  std::priority_queue<ending, std::vector<ending>, std::greater<>> next;
  for (std::size_t r = 0; r < seconds.size(); ++r)
    next.emplace(2 * seconds[r], r);
  for (auto left = units - out.size(); left > 0; --left) {
    const auto r = next.top().second;
    next.pop();
    next.emplace((++out[r] + 1) * seconds[r], r);
  }
  return out;
}

} // namespace troupe
