// What one incarnation has begun and done, for who looks for stuck ones.
#pragma once

#include "actors/supervision/progress_watch.hpp"

#include <atomic>
#include <cstdint>

namespace troupe {

class activity {
public:
  // By the one thread that handles.
  void handles(bool now) {
    handled_.store(handled_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    handling_.store(now, std::memory_order_relaxed);
  }

  // By any thread: `more` computations than before have begun; 0: one of them gets further.
  void computes(int more) {
    computed_.fetch_add(1, std::memory_order_relaxed);
    if (more != 0) computing_.fetch_add(more, std::memory_order_relaxed);
  }

  [[nodiscard]] bool is_handling() const { return handling_; }

  [[nodiscard]] bool is_computing() const { return computing_ > 0; }

  [[nodiscard]] progress_watch::reading read() const {
    return {is_handling() || is_computing(), handled_ + computed_};
  }

  // It is heard no more, whatever it still says.
  void give_up() { given_up_ = true; }

  [[nodiscard]] bool is_given_up() const { return given_up_.load(std::memory_order_relaxed); }

private:
  std::atomic<bool> handling_{false}, given_up_{false};
  std::atomic<std::uint64_t> handled_{0};
  std::atomic<int> computing_{0};
  std::atomic<std::uint64_t> computed_{0};
};

} // namespace troupe
