#include "actors/clock_ledger.hpp"

#include "ops/assert.hpp"

#include <algorithm>

namespace troupe {

clock_ledger::clock_ledger(std::uint64_t workers, std::uint64_t first_step) : workers_(workers) {
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

void clock_ledger::restore(const std::vector<std::uint64_t>& applied) {
  applied_ = accepted_ = applied;
}

bool clock_ledger::may_read(std::uint64_t step, const consistency& order) const {
  if (applied_[worker_of(step)] < clock_of(step)) return false;
  return order.kind != consistency_kind::bounded || lead_of(step) <= order.staleness;
}

std::uint64_t clock_ledger::oldest() const {
  const auto slowest = std::min_element(applied_.begin(), applied_.end());
  return *slowest * workers_ + static_cast<std::uint64_t>(slowest - applied_.begin());
}

std::uint64_t clock_ledger::lead_of(std::uint64_t step) const {
  const auto slowest = *std::min_element(applied_.begin(), applied_.end());
  return clock_of(step) - std::min(clock_of(step), slowest);
}

} // namespace troupe
