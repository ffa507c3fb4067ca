// What is said between parameter holders and those who read parameters.
#pragma once

#include "actors/address.hpp"
#include "ops/tensor.hpp"

#include <cstdint>
#include <vector>

namespace troupe::protocol {

// From: layer_shard, evaluator. To: each parameter_holder. Answered by `parameters`, of the newest
// version and the one before, per block. Key: the asker. Twice: answered again. Bound: one per
// start of the asker and evaluation.
struct want_parameters {
  address reply_to;
};

// From: parameter_holder. To: every layer_shard after each step; who asked.
// Key: (version, block). Twice: dropped, version is not newer. Bound: one per block and step.
struct parameters {
  std::uint64_t version = 0; // steps committed
  std::uint64_t step = 0;    // that they are for; `version` where all wait for all
  int block = 0;
  tensor value; // immutable, shared without a copy by all actors of the process
};

// From: parameter_holder. To: director.
// Key: (step, block). Twice: dropped. Bound: one per block and step.
struct committed {
  std::uint64_t step = 0; // the step whose gradient was applied
  int block = 0;
  std::uint64_t digest = 0; // of the block's parameters after the step
};

// From: checkpointer. To: parameter_holder. Key: (request). Twice: answered again.
// Bound: one per save.
struct want_state {
  std::uint64_t request = 0;
  address reply_to;
};

// From: parameter_holder. To: checkpointer. Key: (request, block). Twice: dropped.
// Bound: one per block and save.
struct state {
  std::uint64_t request = 0;
  std::uint64_t version = 0;
  int block = 0;
  tensor parameters;
  std::vector<tensor> slots; // optimizer state of the trainable part, copied
};

// From: parameter_holder's optimizer. To: itself. Key: (step, block, part). Twice: cannot happen.
// Bound: parts of one block and step.
struct updated {
  std::uint64_t step = 0;
  int block = 0;
};

} // namespace troupe::protocol
