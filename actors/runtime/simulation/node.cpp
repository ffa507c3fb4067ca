#include "actors/runtime/simulation/node.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace troupe::simulation {

void simulated_node::ask(lane where, std::uint64_t step, action begin) {
  if (free_ > 0 && updates_.empty() && kernels_.empty()) {
    --free_;
    return begin();
  }
  if (where == lane::updates)
    updates_.push_back(std::move(begin));
  else
    kernels_.emplace(std::pair{step, ~kernels_asked_++}, std::move(begin));
  grant();
}

void simulated_node::release() {
  ++free_;
  if (!ends_.empty()) ends_.erase(ends_.begin());
  grant();
}

void simulated_node::grant() {
  while (free_ > 0 && !(updates_.empty() && kernels_.empty())) {
    action begin;
    if (updates_.empty()) {
      begin = std::move(kernels_.extract(kernels_.begin()).mapped());
    } else {
      begin = std::move(updates_.front());
      updates_.pop_front();
    }
    --free_;
    begin();
  }
}

// What ends at this very instant does not slow anybody any more, though its core may not be back.
double simulated_node::contention() const {
  if (busy_.empty()) return 1;
  const auto over = std::distance(ends_.begin(), ends_.upper_bound(events_.now()));
  const auto computing = std::max<std::ptrdiff_t>(cores_ - free_ - over, 1);
  return busy_[std::min(static_cast<std::size_t>(computing), busy_.size()) - 1];
}

void simulated_node::occupy_until(instant end) {
  if (!busy_.empty()) ends_.insert(end);
}

bool simulated_node::admits(event& e) {
  if (paused_) {
    held_.push_back(std::move(e));
    return false;
  }
  if (e.paused == event::not_computed || e.paused == paused_total_) return true;
  e.when += paused_total_ - std::exchange(e.paused, paused_total_);
  events_.push(std::move(e));
  return false;
}

void simulated_node::pause() {
  if (std::exchange(paused_, true)) return;
  paused_since_ = events_.now();
}

void simulated_node::resume() {
  if (!std::exchange(paused_, false)) return;
  paused_total_ += events_.now() - paused_since_;
  for (event& e : std::exchange(held_, {})) {
    if (e.paused != event::not_computed)
      e.when += paused_total_ - std::exchange(e.paused, paused_total_);
    events_.push(std::move(e));
  }
}

} // namespace troupe::simulation
