#pragma once

#include <cstdint>

namespace troupe {

// What a computation is about to do: from it a simulated world knows how long it takes.
enum class work_kind : std::uint8_t {
  bind,    // new parameters of a layer shard
  forward, // of a part of the model, so many microbatches
  backward,
  backward_inputs,
  backward_weights,
  evaluate, // so many images
  read,     // a microbatch: so many
  sum,      // elements
  update,   // elements
  write,    // elements
};

struct work {
  work_kind kind = work_kind::forward;
  std::int64_t amount = 1;
  int part = 0;
  std::int64_t which = -1; // microbatch or block; -1: not of one
};

const char* work_name(work_kind kind);     // "backward weights"
const char* word_of_which(work_kind kind); // "microbatch"

} // namespace troupe
