// Where a run of a job begins: with fresh parameters, with weights from a file, or in the middle.
#pragma once

#include "ops/files/checkpoint.hpp"
#include "troupe/cluster.hpp"
#include "troupe/job.hpp"

#include <map>
#include <string>
#include <vector>

namespace troupe {

struct starting_state {
  checkpoint content;
  std::string path;                 // of the checkpoint; empty: it is none
  std::vector<std::string> skipped; // checkpoints that were found to be damaged
};

// Throws error: a file that cannot be read, or that belongs to another job.
starting_state
starting_state_of(const job& j, const run_options& options, const parameter_layout& layout);

// A process that was started again leads on from what the job has saved, if any of it can be read:
// sets `resume`. Returns what cannot be read. Throws error: an asynchronous job does not go back.
std::vector<std::string>
resume_what_was_saved(const wiring& w, const node_place& here, run_options& o);

// What must be equal for a checkpoint to continue this job to the same bits.
std::map<std::string, std::string> describe_job(const job& j);

} // namespace troupe
