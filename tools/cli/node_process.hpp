// A process of a node: a program of somebody, in a process group of its own, which the kernel kills
// when this process dies.
#pragma once

#include "troupe/cluster_environment.hpp"

#include <sys/types.h>

#include <string>
#include <vector>

namespace troupe::cli {

struct process_plan {
  std::vector<std::string> words; // the program, looked for on PATH, and what it is told
  environment_variables variables;
  std::string output, errors; // files that are appended to; "": as this process's
  bool hears = false;         // has this process's stdin; otherwise an empty one
  int inherits = -1;          // a descriptor that stays open in it; -1: none
};

// The process, which leads its group; before its program begins, it has said so on `keeper`'s line
// (launch_keeper.hpp; -1: none). Throws mistakes where a file cannot be opened or the program
// cannot be run. REQUIRES: this process has one thread.
pid_t start_process(const process_plan& plan, int keeper = -1);

// Where this process was started without them, so that no other file takes their numbers.
void open_standard_files();

// "ended with code 1", "was killed by SIGKILL"; `status` is waitpid's.
std::string ending_text(int status);

int code_of(int status); // as shells say it: 128 + the signal

} // namespace troupe::cli
