#include "actors/runtime/simulation/node.hpp"

#include <utility>

namespace troupe::simulation {

void simulated_node::ask(lane where, std::uint64_t step, action begin) {
  if (cores_ > 0 && updates_.empty() && kernels_.empty()) {
    --cores_;
    return begin();
  }
  if (where == lane::updates)
    updates_.push_back(std::move(begin));
  else
    kernels_.emplace(std::pair{step, ~kernels_asked_++}, std::move(begin));
  grant();
}

void simulated_node::release() {
  ++cores_;
  grant();
}

void simulated_node::grant() {
  while (cores_ > 0 && !(updates_.empty() && kernels_.empty())) {
    action begin;
    if (updates_.empty()) {
      begin = std::move(kernels_.extract(kernels_.begin()).mapped());
    } else {
      begin = std::move(updates_.front());
      updates_.pop_front();
    }
    --cores_;
    begin();
  }
}

bool simulated_node::admits(event& e) {
  if (paused_) {
    held_.push_back(std::move(e));
    return false;
  }
  if (!e.computed || e.paused == paused_total_) return true;
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
    if (e.computed) e.when += paused_total_ - std::exchange(e.paused, paused_total_);
    events_.push(std::move(e));
  }
}

} // namespace troupe::simulation
