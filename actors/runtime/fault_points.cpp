#include "actors/runtime/fault_points.hpp"

#include "actors/message_facts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace troupe {

bool is_reason_of(const std::string& reason, const fault_point& where) {
  return reason.starts_with(where.step == fault_point::any_step
                                ? "killed "
                                : fmt::format("killed at step {} ", where.step));
}

void fault_points::plan(const fault_point& where) {
  const std::lock_guard lock(mutex_);
  plans_.push_back({where});
  in_use_ = true;
}

void fault_points::watch(std::function<void(const fault_point&)> by, const address& who) {
  watcher_ = std::move(by);
  who_ = who;
  in_use_ = true;
}

void fault_points::tell(std::optional<int> call) const {
  if (watcher_) watcher_({who_, fault_point::any_step, messages_, call});
}

template <class Due>
void fault_points::kill_where(Due is_due, const std::string& place) {
  const auto found = std::find_if(plans_.begin(), plans_.end(), [&](const planned& p) {
    return p.here && is_due(p.where.call);
  });
  if (found == plans_.end()) return;
  plans_.erase(found);
  throw killed(step_ ? fmt::format("killed at step {} {}", *step_, place) : "killed " + place);
}

// All plans count, whichever of them is carried out.
void fault_points::note_begin(const message* what) {
  const std::lock_guard lock(mutex_);
  ++messages_;
  calls_ = 0;
  handled_ = what == nullptr ? input_of_start : message_name(*what);
  step_ = what == nullptr ? std::nullopt : step_of(*what);
  tell(0);
  for (planned& p : plans_) {
    const bool counts = p.where.step == fault_point::any_step ||
                        (step_ && static_cast<std::int64_t>(*step_) == p.where.step);
    p.here = counts && --p.where.message <= 0;
  }
  kill_where([](const auto& call) { return call && *call <= 0; },
             fmt::format("before {}", handled_));
}

void fault_points::note_call() {
  const std::lock_guard lock(mutex_);
  ++calls_;
  tell(calls_);
  kill_where([this](const auto& call) { return call && *call == calls_; },
             fmt::format("in {}, after call {}", handled_, calls_));
}

void fault_points::note_end() {
  const std::lock_guard lock(mutex_);
  tell(std::nullopt);
  kill_where([](const auto&) { return true; }, fmt::format("after {}", handled_));
}

} // namespace troupe
