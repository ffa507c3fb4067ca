// What is said between parameter holders and those who read parameters.
#pragma once

#include "actors/address.hpp"
#include "actors/credit.hpp"
#include "ops/tensor.hpp"

#include <cstdint>
#include <map>
#include <vector>

namespace troupe::protocol {

// From: layer_shard, evaluator. To: each parameter_holder. Answered by `parameters`, of all
// versions that are kept, but older ones, per block. Key: the asker. Twice: answered again. Bound:
// one per start of the asker and evaluation.
struct want_parameters {
  address reply_to;
  std::uint64_t oldest = 0; // version that is wanted
};

// From: layer_shard of a worker. To: parameter_holder of its blocks. Answered by `parameters` for
// the step, per block that it holds, when its own update before is applied and nobody is further
// behind than the staleness bound.
// Key: (step). Twice: answered again. Bound: one per worker and step.
struct pull_parameters {
  std::uint64_t step = 0;
  address reply_to;
  std::map<int, std::uint64_t> known; // versions in its cache, by block
  std::uint64_t recorded = 0;         // as begin_step says
};

// From: parameter_holder. To: every layer_shard after each step; who asked. From: that of the outer
// parameters. To: each island's, after each round.
// Key: (version, block). Twice: dropped, version is not newer. Bound: one per block and step.
struct parameters {
  std::uint64_t version = 0; // steps committed
  std::uint64_t step = 0;    // that they are for; `version` where all wait for all
  int block = 0;
  tensor value; // immutable, shared without a copy; empty: it is what the asker knows
};

// From: parameter_holder. To: director. Of an island, at the end of a round: when it has the outer
// parameters. Key: (step, island, block). Twice: dropped. Bound: one per block and step.
struct committed {
  std::uint64_t step = 0; // the step whose gradient was applied
  int block = 0;
  std::uint64_t digest = 0; // of the block's parameters after the step
  // Where updates are applied as they come: the version that this one made, how many others were
  // applied since its parameters were read, and how many clocks its worker was ahead of the last.
  std::uint64_t version = 0;
  std::uint64_t staleness = 0;
  std::uint64_t lead = 0;
  std::uint64_t lead_bound = no_bound; // in force when it read
  std::uint32_t island = 0;            // from 1; 0: there is none
};

// From: checkpointer, when the job ends. To: parameter_holder. Key: (request). Twice: answered
// again. Bound: one per save.
struct want_state {
  std::uint64_t request = 0;
  address reply_to;
  std::uint64_t version = 0; // steps committed; training has ended there
};

// From: parameter_holder. To: checkpointer. Key: (request, block). Twice: dropped.
// Bound: one per block and want_state; of islands, the outer parameters.
struct state {
  std::uint64_t request = 0;
  std::uint64_t version = 0;
  int block = 0;
  tensor parameters;
};

// From: parameter_holder's optimizer. To: itself. Key: (step, block, part). Twice: cannot happen.
// Bound: parts of one block and step.
struct updated {
  std::uint64_t step = 0;
  int block = 0;
};

} // namespace troupe::protocol
