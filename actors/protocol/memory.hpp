// What is told about memory.
#pragma once

#include "actors/address.hpp"

#include <cstdint>

namespace troupe::protocol {

// From: layer_shard. To: recorder: the most that its kernels have needed so far, measured.
// Key: (who). Twice: no effect, the largest counts. Bound: in the life of an incarnation, one for
// each that is larger than the one before; as a rule all of them in the first step.
struct memory_used {
  address who;
  int in_flight = 0;               // microbatches whose activations were kept at once, by part
  std::uint64_t program_bytes = 0; // of the programs that were lent to it at once
};

} // namespace troupe::protocol
