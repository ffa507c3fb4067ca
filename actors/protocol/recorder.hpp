// What the director tells the recorder.
#pragma once

#include "actors/address.hpp"
#include "actors/credit.hpp"
#include "actors/shares.hpp"
#include "ops/error.hpp"
#include "ops/files/checkpoint.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace troupe::protocol {

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
};

// From: director. To: recorder: the clock of training stops (evaluation, saving) or goes on.
// Key: (step, paused); it stops before it goes on. Twice: dropped. Bound: two per pause.
struct training_paused {
  bool paused = false;
  std::uint64_t step = 0; // steps committed
};

// From: director. To: recorder. Key: (path). Twice: reported again. Bound: one per save.
struct checkpoint_saved {
  std::uint64_t step = 0;
  std::string path;
  std::string problem;
};

// From: director. To: recorder: nothing follows.
// Key: none. Twice: dropped. Bound: one per job.
struct job_ended {
  std::uint64_t steps = 0;
  std::uint64_t digest = 0;
  bool interrupted = false;
  error_text failure; // `what` empty: the job is done
  std::shared_ptr<const checkpoint> state;
};

} // namespace troupe::protocol
