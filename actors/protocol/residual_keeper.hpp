// What is said between a layer shard and the keeper of its residuals.
#pragma once

#include "actors/address.hpp"
#include "ops/tensor.hpp"

#include <cstdint>

namespace troupe::protocol {

// From: layer_shard, when it has compressed a gradient. To: its residual_keeper. From: the keeper.
// To: a shard that asks. What the payload left out, to be added to the gradient of `step`.
// Key: (step, block, first_microbatch). Twice: overwritten by the same values.
// Bound: one per block and node of the reduction tree that is compressed, per step.
struct residual {
  std::uint64_t step = 0;
  int block = 0;
  std::uint32_t first_microbatch = 0; // of the node
  tensor value;                       // of the block's trainable part
};

// From: layer_shard's kernels. To: itself. Key: as residual. Twice: cannot happen. Bound: as
// residual.
struct residual_ready {
  residual value;
};

// From: layer_shard, where it begins or was overtaken. To: its residual_keeper. Answered by
// `residual`, all of `step`, those that come later too: its predecessor may still have sent them.
// From: residual_keeper that was restarted. To: its layer_shard, of what it is asked for; one that
// lacks it asks as well, and both know that it is lost.
// Key: (asker, step). Twice: answered again; after that for a later step: dropped. Bound: one per
// start of the shard, and per step that overtakes it; one per question of the keeper.
struct want_residuals {
  address reply_to;
  std::uint64_t step = 0;
};

} // namespace troupe::protocol
