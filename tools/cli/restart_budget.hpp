// When a node process that died is started again: at once, or later if it keeps dying young, or
// never if it died too often.
#pragma once

#include <chrono>
#include <deque>
#include <optional>

namespace troupe::cli {

class restart_budget {
public:
  using clock = std::chrono::steady_clock;

  static constexpr std::chrono::minutes window{10};
  static constexpr std::chrono::seconds young{1};           // died at its start, perhaps
  static constexpr std::chrono::milliseconds first_wait{5}; // doubles with each young death
  static constexpr std::chrono::seconds longest_wait{10};

  explicit restart_budget(int restarts_max) : restarts_max_(restarts_max) {}

  // The wait before it starts again; nothing: more than `restarts_max` deaths in the window.
  std::optional<std::chrono::nanoseconds> after_death(clock::time_point now,
                                                      std::chrono::nanoseconds lived);

private:
  int restarts_max_;
  std::deque<clock::time_point> deaths_; // of the window
  std::chrono::nanoseconds next_wait_{0};
};

} // namespace troupe::cli
