// A file that describes a simulated cluster and what happens to it, in TOML (docs/simulation.md has
// all keys):
//   seed = 7
//   [link]
//   latency = "100 us"
//   [[event]]
//   at = "30 ms"
//   kill = "layer_shard/1"
#pragma once

#include "ops/error.hpp"
#include "troupe/faults.hpp"
#include "troupe/simulated_cluster.hpp"

#include <string>
#include <vector>

namespace troupe::cli {

// Mistakes go to `wrong`, each with file:line:column: all of them, or the first of the syntax.
// `name` is the file's, in mistakes. Events by a step, at a rate or at a fault point go to
// `faults`.
void read_scenario(const std::string& text,
                   const std::string& name,
                   simulated_cluster& to,
                   std::vector<injected_fault>& faults,
                   std::vector<error_text>& wrong);

// The events of such a file, for a job of any world; what it says of a simulated cluster is passed
// over.
void read_faults(const std::string& text,
                 const std::string& name,
                 std::vector<injected_fault>& faults,
                 std::vector<error_text>& wrong);

// A file with them, for read_faults().
std::string faults_file(const std::vector<injected_fault>& faults);

} // namespace troupe::cli
