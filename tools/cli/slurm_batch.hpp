// The batch file of a job in Slurm, for people to read and to edit.
#pragma once

#include <string>
#include <vector>

namespace troupe::cli {

struct slurm_job {
  std::string name;
  int machines = 1, per_machine = 1;
  int cores = 0;                   // of each node; 0: Slurm decides
  std::string time, partition;     // "": the cluster's
  std::vector<std::string> sbatch; // more lines
  int restarts = 30;
  bool requeue = false;
  std::string keys, logs; // folders; keys may be ""
  std::string troupe;     // this program
  std::vector<std::string> program;
};

std::string batch_text(const slurm_job& job);

// As one word of a shell.
std::string shell_word(const std::string& text);

} // namespace troupe::cli
