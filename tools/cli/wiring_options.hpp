// What the command line says of the wiring: a topology and its options.
#pragma once

#include "cli/values.hpp"
#include "troupe/topology.hpp"

#include <string>
#include <vector>

namespace troupe::cli {

struct wiring_options {
  std::string topology = "data-parallel";
  hybrid_options grid;              // of each of our topologies
  bool measured_cut = false;        // grid.piece_costs are still to be measured
  std::string file;                 // instead of a topology: a wiring that its user edited
  std::vector<std::string> devices; // that layer shards compute on; empty: as the wiring has it
};

// Mistakes go to `read`: values, and options that the topology has no use for.
wiring_options wiring_options_of(value_reader& read);

} // namespace troupe::cli
