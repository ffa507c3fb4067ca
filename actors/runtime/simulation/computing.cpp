#include "actors/runtime/simulation/computing.hpp"

#include "actors/message_facts.hpp"

#include <algorithm>
#include <exception>
#include <optional>

namespace troupe::simulation {

computing::said computing::carry_out(const std::function<void(computation&)>& job,
                                     std::uint64_t step) {
  try {
    job(*this);
  } catch (const std::exception& e) {
    const auto doing = spans_.empty() ? std::nullopt : std::optional(spans_.back().what);
    post(failure_of(e, doing, step));
  }
  close();
  return std::move(said_);
}

void computing::begin(const work& w) {
  close();
  open_ = cost_(w);
  spans_.push_back({w, all_, all_ + open_});
}

// The last thing is posted when the work is done.
void computing::close() {
  const auto count = static_cast<std::int64_t>(said_.size() - closed_);
  const auto whole = std::max(std::exchange(open_, {}), duration(count));
  for (std::int64_t i = 1; i <= count; ++i)
    said_[closed_++].first = all_ + whole * i / count;
  all_ += whole;
}

} // namespace troupe::simulation
