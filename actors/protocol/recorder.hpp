// What the director tells the recorder, and what the recorder knows of the job. The director keeps
// each event until it is `recorded`, and tells a new recorder again.
#pragma once

#include "actors/address.hpp"
#include "actors/credit.hpp"
#include "actors/shares.hpp"
#include "ops/error.hpp"
#include "ops/tensor.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace troupe::protocol {

// Of an event: who tells it, and how many that one had told by then. The recorder hears them in
// order, without a gap; and none of a director whose successor has asked for the cursor.
struct event_number {
  incarnation director = 0;
  std::uint64_t count = 0; // from 1
  friend auto operator<=>(const event_number&, const event_number&) = default;
};

// From: director. To: recorder. Key: (step). Twice: dropped. Bound: one per step.
struct step_committed {
  std::uint64_t step = 0; // from 0
  double loss = 0;        // mean over the batch
  std::int64_t correct = 0;
  std::uint64_t digest = 0;
  // Where updates are applied as they come: the most others that one block applied between the read
  // and the update, and the most clocks that the worker was ahead of the slowest one.
  std::uint64_t staleness = 0;
  std::uint64_t lead = 0;
  std::uint64_t lead_bound = no_bound; // in force at that worker's read
  // Where shares are dealt step by step: those of this step, and how many layer shards have said
  // since the step before that they were overtaken.
  std::vector<replica_share> shares;
  std::uint64_t overtaken = 0;
  // Where updates are applied as they come: of so many microbatches the reports were lost, with the
  // director and the layer shard that had them. `loss` is the mean over the others; of none, NaN.
  std::uint32_t reports_lost = 0;
  event_number number = {};
};

struct evaluation_totals {
  double loss = 0; // summed over the images
  std::int64_t correct = 0;
  std::int64_t images = 0;
};

// From: director. To: recorder. Key: (epoch). Twice: dropped. Bound: one per epoch.
struct epoch_ended {
  std::int64_t epoch = 0; // from 1
  evaluation_totals test, validation;
  event_number number = {};
};

// From: director. To: recorder: the clock of training stops (evaluation, saving) or goes on.
// Key: (step, paused); it stops before it goes on. Twice: dropped. Bound: two per pause.
struct training_paused {
  bool paused = false;
  std::uint64_t step = 0; // steps committed
  event_number number = {};
};

// From: director. To: recorder. Key: (step). Twice: dropped. Bound: one per save.
struct checkpoint_saved {
  std::uint64_t step = 0; // whose state it is; others may have been committed since
  std::string path;
  std::string problem;
  event_number number = {};
};

// From: director. To: recorder: nothing follows.
// Key: none. Twice: dropped. Bound: one per job.
struct job_ended {
  std::uint64_t steps = 0;
  std::uint64_t digest = 0;
  bool interrupted = false;
  error_text failure;             // `what` empty: the job is done
  std::vector<tensor> parameters; // by block; empty: there are none
  bool begin_again = false;       // a failure that is none where the job can begin again
  event_number number = {};
};

// From: director. To: recorder: what a step's shares are, before anybody else hears of them.
// Key: (step). Twice: dropped. Bound: one per step, where shares are dealt step by step.
struct shares_dealt {
  std::uint64_t step = 0;
  std::vector<replica_share> shares;
  event_number number = {};
};

// From: recorder. To: director: events up to this one will not be asked for again.
// Key: (number). Twice: no effect. Bound: one per event.
struct recorded {
  event_number number;
};

// From: recorder. To: director: where the job stands.
// Key: (life). Twice: dropped. Bound: as want_cursor.
struct cursor {
  incarnation life = 0;            // of the director that asked
  std::uint64_t step = 0;          // steps committed
  std::uint64_t digest = 0;        // after the last one
  bool went_on = false;            // the pause at this step, if there was one, is over
  bool paused = false;             // it is not
  bool ended = false;              // the job
  std::vector<shares_dealt> dealt; // of steps that are not committed
  std::uint64_t saved = 0;         // step of the last checkpoint that was written or given up
};

} // namespace troupe::protocol
