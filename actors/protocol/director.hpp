// What the director says: it alone decides how far the job may run.
#pragma once

#include "actors/address.hpp"
#include "ops/error.hpp"
#include "ops/reduction_tree.hpp"

#include <cstdint>
#include <memory>
#include <string>

namespace troupe::protocol {

// From: director. To: layer_shard. Permission to compute steps up to and including `step`.
// Key: (step). Twice: no effect, the permission only grows.
// Bound: one per step; at most two steps ahead of the last commit.
struct begin_step {
  std::uint64_t step = 0;
  // Steps below are committed and need nobody any more. A new incarnation begins here.
  std::uint64_t committed = 0;
  std::uint64_t credit = 0; // revision of the set_credit that it must have heard; 0: none
  // Its microbatches of `step`, where shares are dealt step by step; none: those of the wiring.
  tree_span run = {0, 0};
  // Steps below are on record: nobody will ask for what was reported of them. (A worker's
  // `committed` counts its own steps, and may be further.)
  std::uint64_t recorded = 0;
};

// From: director, when it begins. To: recorder, which hears of no director of an older life any
// more. Answered by `cursor`.
// Key: (life). Twice: answered again. Bound: one per start of the director or the recorder.
struct want_cursor {
  incarnation life = 0; // of the director
};

// From: director. To: evaluator. Key: (round). Twice: evaluated again, same result; an older round
// is dropped.
// Bound: one at a time.
struct evaluate {
  std::uint64_t round = 0;
  std::uint64_t version = 0; // of the parameters to evaluate
};

// From: director. To: checkpointer. Key: (request). Twice: the running save goes on; an older one
// is dropped. That of the same path and version by a new director is answered by what was written.
// Bound: one at a time.
struct save {
  std::uint64_t request = 0;
  std::string path;          // the checkpoint's folder; empty: write nothing
  std::uint64_t version = 0; // steps committed: of the state that is wanted
  bool collects = false;     // the parameters are wanted, too: the job ends
};

// From: the run's owner. To: director: finish the step, save, end.
// Key: none. Twice: no effect. Bound: any number.
struct stop_job {};

// From: parameter_holder, residual_keeper. To: director: what it must know is nowhere. The job can
// only begin again, from a checkpoint or from its start.
// Key: (who). Twice: the first one counts. Bound: one per start of the sender or the director.
struct state_lost {
  address who;
};

// From: supervisor, director. To: director: the job cannot go on.
// Key: none. Twice: the first one counts. Bound: any number.
struct job_failed {
  error_text text;
};

} // namespace troupe::protocol
