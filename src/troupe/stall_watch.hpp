// Sees that a live job commits no step any more, and asks why.
#pragma once

#include "actors/runtime/lookout.hpp"
#include "troupe/cluster.hpp"

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>

namespace troupe {

class stall_watch {
public:
  using clock = std::chrono::steady_clock;

  // Once. `why` and `tell` are called by a thread of its own.
  void begin(std::int64_t steps,
             std::function<wait_graph()> why,
             std::function<void(const stalled_event&)> tell);
  void step(std::int64_t steps); // committed in all; by any thread
  void end();                    // nobody is called any more

  // How long a step may take, by what the last ones took.
  static std::chrono::nanoseconds patience(const std::deque<std::chrono::nanoseconds>& took);

private:
  void look();

  std::function<wait_graph()> why_;
  std::function<void(const stalled_event&)> tell_;
  std::mutex mutex_; // guards what follows
  std::int64_t steps_ = 0;
  clock::time_point since_ = clock::now();
  std::deque<std::chrono::nanoseconds> took_; // the last steps
  std::int64_t told_ = -1;                    // at which it was told
  lookout looking_;
};

} // namespace troupe
