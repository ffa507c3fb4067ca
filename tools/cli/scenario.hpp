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
#include "troupe/simulated_cluster.hpp"

#include <string>
#include <vector>

namespace troupe::cli {

// Mistakes go to `wrong`, each with file:line:column: all of them, or the first of the syntax.
// `name` is the file's, in mistakes.
void read_scenario(const std::string& text,
                   const std::string& name,
                   simulated_cluster& to,
                   std::vector<error_text>& wrong);

} // namespace troupe::cli
