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

// What must be equal for a checkpoint to continue this job to the same bits.
std::map<std::string, std::string> describe_job(const job& j);

} // namespace troupe
