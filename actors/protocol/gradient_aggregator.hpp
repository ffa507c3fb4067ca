// What a gradient aggregator says.
#pragma once

#include "ops/tensor.hpp"

#include <cstdint>

namespace troupe::protocol {

// From: gradient_aggregator. To: parameter_holder of the block.
// Key: (step, block). Twice: dropped when the step is committed or being applied.
// Bound: one per block and step.
struct reduced_gradient {
  std::uint64_t step = 0;
  int block = 0;
  tensor value; // sum over all microbatches
};

// From: gradient_aggregator's sums. To: itself. Key: (step, block, arrivals). Twice: cannot happen.
// Bound: one at a time per block.
struct summed {
  std::uint64_t step = 0;
  int block = 0;
  tensor total; // empty while contributions are missing
};

} // namespace troupe::protocol
