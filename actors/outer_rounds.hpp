// Where islands train apart and meet every so many steps (local SGD, DiLoCo), the steps between two
// meetings are a round. Rounds begin with each epoch, and the last one of an epoch, or of the job,
// may be shorter. By default a round is a step.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

namespace troupe {

struct outer_rounds {
  std::uint64_t every = 1;
  std::uint64_t steps_per_epoch = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t last_step = std::numeric_limits<std::uint64_t>::max(); // end of the job

  // Steps committed when the round of `step` ends.
  [[nodiscard]] std::uint64_t end_of(std::uint64_t step) const {
    const auto in_epoch = step % steps_per_epoch, epoch = step - in_epoch;
    const auto next = (in_epoch / every + 1) * every;
    return std::min(epoch + std::min(next, steps_per_epoch), last_step);
  }

  // Steps committed when the last round that has ended by `step` did.
  [[nodiscard]] std::uint64_t begin_of(std::uint64_t step) const {
    return step >= last_step ? last_step : step - step % steps_per_epoch % every;
  }

  // How many rounds have ended by `step`, where one begins.
  [[nodiscard]] std::uint64_t count_to(std::uint64_t step) const {
    const auto in_epoch = step % steps_per_epoch;
    const auto of_epoch = (steps_per_epoch - 1) / every + 1;
    return step / steps_per_epoch * of_epoch + in_epoch / every;
  }

  [[nodiscard]] bool ends_with(std::uint64_t step) const { return end_of(step) == step + 1; }
};

} // namespace troupe
