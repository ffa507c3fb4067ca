// One operation of a pipeline stage's schedule: which computation, of which part of the model, for
// which microbatch. Part p runs on stage p % stages and takes what part p - 1 gives.
#pragma once

#include <compare>
#include <cstdint>
#include <vector>

namespace troupe {

enum class op_kind : std::uint8_t {
  forward,
  backward,         // both gradients at once
  backward_input,   // the gradient of the inputs: what the part before waits for
  backward_weights, // the gradient of the parameters: nobody waits for it until the step's end
};

struct schedule_op {
  op_kind kind = op_kind::forward;
  int part = 0;
  std::uint32_t microbatch = 0; // counted within the replica, from 0

  friend auto operator<=>(const schedule_op&, const schedule_op&) = default;
};

// The same order for fewer microbatches. What can run without them can run: no operation waits for
// another microbatch.
inline std::vector<schedule_op> first_microbatches(std::vector<schedule_op> schedule,
                                                   std::uint32_t count) {
  std::erase_if(schedule, [&](const schedule_op& op) { return op.microbatch >= count; });
  return schedule;
}

} // namespace troupe
