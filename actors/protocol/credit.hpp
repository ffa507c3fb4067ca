// What is said about credit.
#pragma once

#include "actors/credit.hpp"

#include <cstdint>

namespace troupe::protocol {

// From: the run's owner. To: director.
// Key: none. Twice: set again, no effect. Bound: any number.
struct set_dial {
  dial value;
};

// From: director. To: who holds the credit, and again to its new incarnation. All credit of the
// receiver, whichever of it a dial has changed.
// Key: (revision). Twice: dropped, and so is an older revision.
// Bound: one per dial and receiver, and per restart.
struct set_credit {
  std::uint64_t prefetch = 0;
  std::uint64_t depth = 0; // 0: what the schedule keeps, in its order
  std::uint64_t staleness = no_bound;
  std::uint64_t revision = 0; // 0: as the receiver began
};

// From: layer_shard, parameter_holder. To: recorder, when an incarnation uses more of an edge's
// credit than ever before under this bound.
// Key: (kind, from, to, bound, used). Twice: no effect, the most counts.
// Bound: per edge, bound and incarnation as many as the most that is used.
struct credit_used {
  credit_kind kind = credit_kind::prefetch;
  address from, to;
  std::uint64_t bound = no_bound; // in force when the credit was taken
  std::uint64_t used = 0;
};

// From: layer_shard's kernels. To: itself: more microbatches of a part are in flight than ever.
// Key: (step, part, in_flight). Twice: cannot happen. Bound: as credit_used.
struct depth_used {
  std::uint64_t step = 0;
  int part = 0;
  std::uint64_t in_flight = 0;
};

} // namespace troupe::protocol
