// Which node of how many this process is, and where the others are met: read from the variables
// that whoever started it set. Asked in this order, and the first to say a value is believed:
// Troupe's own (`troupe launch`, or by hand), torchrun, Open MPI, Slurm, PMIx, Kubernetes. Two that
// cannot both be true are an error that shows both. docs/launching.md has all variables.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace troupe {

struct node_place {
  std::uint32_t number = 0, count = 1; // count 1: this process alone is the job
  std::uint32_t local_number = 0;      // among those of this machine
  std::string coordinator;   // "tcp://host:port" or "ipc:///path": where node 0 listens and the
                             // others dial; "" if count == 1
  std::string job;           // identity: nodes of one job have one
  int restarts = 0;          // how often this process was started again
  std::string keys;          // file with this node's secret key; "" without encryption
  std::string trusted;       // file of trusted keys; "" without
  bool share_tensors = true; // with nodes of this machine: they are read where they lie
  std::string source;        // for people: "Slurm (SLURM_PROCID, SLURM_STEP_NUM_TASKS, ...)"
  // A descriptor that this process, a hot spare, reads to know which node it becomes (settle);
  // -1: it is a node. Until then `number` is that of any node but 0.
  int spare = -1;
};

using environment_variables = std::map<std::string, std::string>;

environment_variables variables_of_process();

// Throws error that tells all mistakes.
node_place place_in(const environment_variables& v);

// Of a spare: waits until a node needs it, and makes `place` that node's. Throws error where nobody
// will.
void settle(node_place& place);

// Who was asked, what was found, and what came of it; a mistake is text, too.
std::string explain_place(const environment_variables& v);

// The variables that place_in reads as a whole place: whoever starts a job of its own inside
// another's process takes them away.
const std::vector<std::string>& place_variables();

} // namespace troupe
