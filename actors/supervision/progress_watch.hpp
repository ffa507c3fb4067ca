// Sees whether an actor that has begun something gets further. It is read once in a tick, and what
// counts is ticks, not time: while nobody could read, as in a process that was stopped or had no
// core, nobody could work either.
//
// An actor may take as long as its specification says, and three times as long as it was seen to
// take; what it took once and never again is forgotten. At first, and after each time that it was
// given up, it may take longer: so an actor that is slow and not stuck is given up a few times at
// most.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace troupe {

class progress_watch {
public:
  // `within`: in ticks.
  explicit progress_watch(double within)
      : within_(within),
        forgetting_(std::pow(forgetting, 1 / within)),
        known_(patience * within / 3) {}

  struct reading {
    bool busy = false;          // it has begun something that has not ended
    std::uint64_t progress = 0; // grows with each thing that begins, goes on or ends
  };

  // Once in a tick. True: it is stuck, and has been for waited() ticks.
  bool is_stuck(const reading& now) {
    if (!now.busy || now.progress != seen_) {
      if (now.progress != seen_) known_ = std::max(waited_, forgetting_ * known_);
      seen_ = now.progress;
      waited_ = 0;
      return false;
    }
    waited_ += 1;
    const double most = std::max(within_, 3 * known_);
    if (waited_ < most) return false;
    known_ = 2 * most / 3;
    return true;
  }

  [[nodiscard]] double waited() const { return waited_; }

  void begin() { waited_ = 0; } // another incarnation

private:
  static constexpr double patience = 10;     // times as long at first
  static constexpr double forgetting = 0.43; // what is left of the longest time after `within`

  double within_, forgetting_, known_;
  double waited_ = 0;
  std::uint64_t seen_ = 0;
};

} // namespace troupe
