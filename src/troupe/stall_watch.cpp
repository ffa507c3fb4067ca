#include "troupe/stall_watch.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace troupe {

namespace {

constexpr std::chrono::milliseconds look_every{250};
constexpr std::chrono::seconds patience_min{2};
constexpr std::size_t steps_kept = 256;

} // namespace

// Three times the 99th percentile.
std::chrono::nanoseconds stall_watch::patience(const std::deque<std::chrono::nanoseconds>& took) {
  std::chrono::nanoseconds out = patience_min;
  if (took.empty()) return out;
  std::vector<std::chrono::nanoseconds> sorted(took.begin(), took.end());
  const auto at = static_cast<std::ptrdiff_t>((sorted.size() - 1) * 99 / 100);
  std::nth_element(sorted.begin(), sorted.begin() + at, sorted.end());
  return std::max(out, 3 * sorted[static_cast<std::size_t>(at)]);
}

void stall_watch::begin(std::int64_t steps,
                        std::function<wait_graph()> why,
                        std::function<void(const stalled_event&)> tell) {
  why_ = std::move(why);
  tell_ = std::move(tell);
  {
    const std::lock_guard lock(mutex_);
    steps_ = std::max(steps_, steps);
    since_ = clock::now();
  }
  looking_.begin(look_every, [this] { look(); });
}

void stall_watch::step(std::int64_t steps) {
  const std::lock_guard lock(mutex_);
  const auto now = clock::now();
  took_.push_back(now - since_);
  if (took_.size() > steps_kept) took_.pop_front();
  steps_ = steps;
  since_ = now;
}

// Who computes for long is not stalled: a step may suddenly be dear, as an evaluation is.
void stall_watch::look() {
  stalled_event out;
  {
    const std::lock_guard lock(mutex_);
    const auto silent = clock::now() - since_;
    if (told_ == steps_ || silent < patience(took_)) return;
    out.step = steps_;
    out.seconds = std::chrono::duration<double>(silent).count();
  }
  out.waits = why_();
  const auto verdict = verdict_of(out.waits);
  if (!verdict.is_held_up()) return;
  {
    const std::lock_guard lock(mutex_);
    if (steps_ != out.step) return; // it has gone on
    told_ = out.step;
  }
  out.text = headline(verdict);
  tell_(out);
}

void stall_watch::end() {
  looking_.end();
}

} // namespace troupe
