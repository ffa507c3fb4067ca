// What is said between a layer shard and its data loader.
#pragma once

#include "actors/address.hpp"
#include "ops/data/sampler.hpp"

#include <cstdint>

namespace troupe::protocol {

// From: layer_shard. To: data_loader of its replica.
// Key: (step, microbatch). Twice: answered again, with equal data.
// Bound: the microbatches of a step, and of as many more as the credit for prefetch allows.
struct want_batch {
  std::uint64_t step = 0;
  std::uint32_t microbatch = 0;
  address reply_to;
  bool images = true; // false: the targets alone, for who computes nothing but the loss's part
};

// From: data_loader. To: layer_shard.
// Key: (step, microbatch). Twice: dropped. Bound: as want_batch.
struct batch {
  std::uint64_t step = 0;
  std::uint32_t microbatch = 0;
  microbatch_data data;
};

// From: data_loader's reader. To: itself. Key: (step, microbatch). Twice: cannot happen.
// Bound: one at a time.
struct batch_ready {
  batch value;
  address reply_to;
};

} // namespace troupe::protocol
