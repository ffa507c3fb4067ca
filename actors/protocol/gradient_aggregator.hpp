// What a gradient aggregator says.
#pragma once

#include "ops/tensor.hpp"

#include <cstdint>
#include <vector>

namespace troupe::protocol {

// From: gradient_aggregator; layer_shard of a worker, who computes the whole batch of its step. To:
// parameter_holder of the block.
// Key: (step, block). Twice: dropped when the step is committed or being applied.
// Bound: one per block and step.
struct reduced_gradient {
  std::uint64_t step = 0;
  int block = 0;
  // The sum over all microbatches is value + addend, or value where addend is empty. The holder
  // adds while it passes over the block anyway.
  tensor value, addend;
  bool encoded = false; // `value` is a codec's payload; of a worker
};

// From: gradient_aggregator's sums. To: itself. Key: (step, block, arrivals). Twice: cannot happen.
// Bound: one at a time per block.
struct summed {
  std::uint64_t step = 0;
  int block = 0;
  std::vector<tensor> totals; // of each subtree below the root; empty ones miss contributions
};

} // namespace troupe::protocol
