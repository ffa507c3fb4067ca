#include "cli/restart_budget.hpp"

#include <algorithm>

namespace troupe::cli {

std::optional<std::chrono::nanoseconds>
restart_budget::after_death(clock::time_point now, std::chrono::nanoseconds lived) {
  deaths_.push_back(now);
  while (deaths_.front() + window <= now)
    deaths_.pop_front();
  if (deaths_.size() > static_cast<std::size_t>(restarts_max_)) return {};
  if (lived >= young) next_wait_ = std::chrono::nanoseconds(0);
  const auto wait = next_wait_;
  next_wait_ = wait.count() == 0 ? first_wait : wait * 2;
  next_wait_ = std::min<std::chrono::nanoseconds>(next_wait_, longest_wait);
  return wait;
}

} // namespace troupe::cli
