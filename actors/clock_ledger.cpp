#include "actors/clock_ledger.hpp"

#include "ops/assert.hpp"

#include <algorithm>
#include <limits>

namespace troupe {

clock_ledger::clock_ledger(std::uint64_t workers, std::uint64_t first_step, std::int64_t last_step)
    : workers_(workers), last_step_(static_cast<std::uint64_t>(last_step)) {
  for (std::uint64_t w = 0; w < workers; ++w)
    applied_.push_back((first_step + workers - 1 - w) / workers);
  accepted_ = applied_;
}

bool clock_ledger::accept(std::uint64_t step) {
  auto& next = accepted_[worker_of(step)];
  TROUPE_ASSERT(clock_of(step) <= next, "a worker computes its clocks in order");
  if (accepted(step)) return false;
  ++next;
  return true;
}

bool clock_ledger::accepted(std::uint64_t step) const {
  return clock_of(step) < accepted_[worker_of(step)];
}

void clock_ledger::apply(std::uint64_t step) {
  auto& next = applied_[worker_of(step)];
  TROUPE_ASSERT(clock_of(step) == next, "clocks are applied in order");
  ++next;
}

// Of those who have clocks to come.
std::uint64_t clock_ledger::slowest() const {
  std::uint64_t out = std::numeric_limits<std::uint64_t>::max();
  for (std::uint64_t w = 0; w < workers_; ++w)
    if (applied_[w] * workers_ + w < last_step_) out = std::min(out, applied_[w]);
  return out;
}

bool clock_ledger::may_read(std::uint64_t step, const consistency& order) const {
  if (applied_[worker_of(step)] < clock_of(step)) return false;
  return order.kind != consistency_kind::bounded || lead_of(step) <= order.staleness;
}

std::uint64_t clock_ledger::lead_of(std::uint64_t step) const {
  return clock_of(step) - std::min(clock_of(step), slowest());
}

} // namespace troupe
