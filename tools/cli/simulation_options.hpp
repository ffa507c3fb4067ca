// What `troupe simulate` was asked for besides a training: nodes, links and what goes wrong.
#pragma once

#include "cli/values.hpp"
#include "troupe/faults.hpp"
#include "troupe/simulated_cluster.hpp"

#include <chrono>
#include <string>
#include <vector>

namespace troupe::cli {

struct simulation_options {
  simulated_cluster cluster;
  std::vector<injected_fault> faults; // that are not events of the cluster by a time
  bool measured = false;              // costs of this machine, instead of counted FLOPs
  std::string trace;                  // file; empty: none
  std::string plot;                   // file.svg or folder; empty: none
};

// Throws mistakes: all of them.
simulation_options simulation_options_of(const setting_values& values);

} // namespace troupe::cli
