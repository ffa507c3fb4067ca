// What a layer shard says. A shard computes a contiguous run of the microbatches of every batch.
#pragma once

#include "actors/address.hpp"
#include "ops/reduction_tree.hpp"
#include "ops/tensor.hpp"

#include <cstdint>

namespace troupe::protocol {

// From: layer_shard; gradient_aggregator of a group. To: gradient_aggregator of the block, that of
// the shard's island and group where it has one. From: parameter_holder of an island, when a round
// ends. To: gradient_aggregator of the outer parameters: how far the island has come, its number
// from 0 as the span.
// Key: (step, block, span). Twice: dropped, the sum over a span is the same whoever sends it.
// Bound: one per block and node of the reduction tree that the shard, or the group, owns, per step.
struct gradient {
  std::uint64_t step = 0;
  int block = 0;
  tree_span span;
  tensor value; // sum over the span; the block's layout, or a codec's payload of it
  bool encoded = false;
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

// From: layer_shard of a worker or an island, where a step begins, and to a new director behind all
// reports that it has. To: director. Of older steps it will report nothing: what is missing was
// lost with another director and another incarnation of it.
// Key: (who, step). Twice: no effect, the largest counts. Bound: one per step, and per start of the
// director.
struct reports_told {
  address who;
  std::uint64_t step = 0;
};

// From: layer_shard. To: director, where shares are dealt step by step: how long its kernels took.
// Key: (step, who). Twice: one measurement more. Bound: one per step.
struct share_computed {
  std::uint64_t step = 0;
  address who;
  double microbatches = 0; // computed, or begun
  double seconds = 0;
  bool overtaken = false; // it stopped: the step was committed without the rest
};

// From: layer_shard. To: layer_shard of the same replica, that of the part that the crossing leads
// to. What one part of the model computes and another needs: an activation on the way forward, the
// gradient of one on the way back.
// Key: (step, microbatch, crossing). Twice: dropped, it is the same whoever computes it. The sender
// keeps it until the step is committed, and sends it again to a new incarnation.
// Bound: one per crossing and microbatch, of two steps.
struct boundary {
  std::uint64_t step = 0;
  std::uint32_t microbatch = 0;
  int crossing = 0; // index into program::crossings()
  tensor value;
};

// From: layer_shard's kernels. To: itself: a value is there that another part waits for.
// Key: as boundary. Twice: cannot happen; an older incarnation's is fenced off. Bound: as boundary.
struct boundary_ready {
  boundary value;
};

// From: layer_shard's kernels. To: itself: a gradient is complete, backward goes on.
// Key: (step, block, span). Twice: cannot happen; an older incarnation's is fenced off.
// Bound: as gradient.
struct gradient_ready {
  gradient value;
};

// From: layer_shard's kernels. To: itself, where shares are dealt step by step: a thread computes
// the operations now; what they waited before is not the shard's time.
// Key: (step). Twice: cannot happen. Bound: one at a time.
struct operations_begun {
  std::uint64_t step = 0;
};

// From: layer_shard's kernels. To: itself: the operations that were being computed are done.
// Key: (step). Twice: cannot happen. Bound: one at a time.
struct operations_done {
  std::uint64_t step = 0;
};

} // namespace troupe::protocol
