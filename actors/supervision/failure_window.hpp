// Failures within a time that slides.
#pragma once

#include "actors/supervision/supervision_tree.hpp"

#include <chrono>
#include <deque>

namespace troupe {

class failure_window {
public:
  // One more; whether `limit` bears it. Those that it no longer counts are forgotten.
  bool note(std::chrono::nanoseconds when, const restart_intensity& limit);

  void clear() { failures_.clear(); }

private:
  std::deque<std::chrono::nanoseconds> failures_;
};

} // namespace troupe
