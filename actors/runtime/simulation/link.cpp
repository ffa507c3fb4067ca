#include "actors/runtime/simulation/link.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace troupe::simulation {

void link::pass_time(instant now) {
  const double seconds = std::chrono::duration<double>(now - at_).count();
  if (!cut_ && !ends_.empty() && std::isfinite(rate_))
    served_ = std::min(served_ + seconds * rate_ / static_cast<double>(ends_.size()),
                       ends_.begin()->first);
  at_ = now;
}

void link::send(instant now, std::uint64_t flow, std::int64_t bytes, arrival sent) {
  pass_time(now);
  auto& waiting = flows_[flow];
  waiting.push_back({static_cast<double>(bytes), std::move(sent)});
  if (waiting.size() == 1) ends_.emplace(served_ + waiting.front().bytes, flow);
}

std::optional<instant> link::next_end() const {
  if (cut_ || ends_.empty()) return std::nullopt;
  const double left = (ends_.begin()->first - served_) * static_cast<double>(ends_.size());
  const double nanoseconds = std::isfinite(rate_) ? std::ceil(left / rate_ * 1e9) : 0;
  return at_ + duration(static_cast<std::int64_t>(std::min(nanoseconds, 1e18)));
}

link::arrival link::end_first(instant now) {
  pass_time(now);
  const auto first = ends_.begin();
  const auto flow = first->second;
  served_ = first->first;
  ends_.erase(first);
  const auto found = flows_.find(flow);
  auto out = std::move(found->second.front().sent);
  found->second.pop_front();
  if (found->second.empty())
    flows_.erase(found);
  else
    ends_.emplace(served_ + found->second.front().bytes, flow);
  if (ends_.empty()) served_ = 0; // keeps the numbers small and exact
  return out;
}

void link::cut(instant now) {
  pass_time(now);
  cut_ = true;
}

void link::heal(instant now) {
  pass_time(now);
  cut_ = false;
}

} // namespace troupe::simulation
