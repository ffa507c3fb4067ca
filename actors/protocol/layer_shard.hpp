// What a layer shard says. A shard computes a contiguous run of the microbatches of every batch.
#pragma once

#include "ops/reduction_tree.hpp"
#include "ops/tensor.hpp"

#include <cstdint>

namespace troupe::protocol {

// From: layer_shard. To: gradient_aggregator of the block.
// Key: (step, block, span). Twice: dropped, the sum over a span is the same whoever sends it.
// Bound: one per block and node of the reduction tree that the shard owns, per step.
struct gradient {
  std::uint64_t step = 0;
  int block = 0;
  tree_span span;
  tensor value; // sum over the span; the block's layout
};

// From: layer_shard's kernels, to itself, and on to: director. Always before the first gradient of
// the microbatch is sent: a step that can be committed has all its reports, whoever dies. Key:
// (step, microbatch). Twice: overwritten by the same values. Bound: one per microbatch and step.
struct microbatch_report {
  std::uint64_t step = 0;
  std::uint32_t microbatch = 0;
  double loss_sum = 0; // weighted, before the normaliser
  double normaliser = 1;
  std::int64_t correct = 0;
};

// From: layer_shard's kernels. To: itself: a gradient is complete, backward goes on.
// Key: (step, block, span). Twice: cannot happen; an older incarnation's is fenced off.
// Bound: as gradient.
struct gradient_ready {
  gradient value;
};

// From: layer_shard's kernels. To: itself: forward and backward of a microbatch are done.
// Key: (step, microbatch). Twice: cannot happen. Bound: one at a time.
struct microbatch_done {
  std::uint64_t step = 0;
  std::uint32_t microbatch = 0;
};

} // namespace troupe::protocol
