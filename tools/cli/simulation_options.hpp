// What `troupe simulate` was asked for besides a training: nodes, links and what goes wrong.
#pragma once

#include "cli/values.hpp"
#include "troupe/simulated_cluster.hpp"

#include <string>
#include <vector>

namespace troupe::cli {

struct simulation_options {
  simulated_cluster cluster;
  bool measured = false; // costs of this machine, instead of counted FLOPs
  std::string trace;     // file; empty: none
};

// Throws mistakes: all of them.
simulation_options simulation_options_of(const setting_values& values);

// "2x slower, 4 cores", for one node "3: 2x slower"; mistakes go to `wrong`.
void parse_node(const std::string& text, simulation_model& to, std::vector<error_text>& wrong);

// "1 ms, 10 Gbit/s, loss 0.01", from one node to another "0->1: 20 ms", both ways "0-1: 20 ms".
void parse_link(const std::string& text, simulation_model& to, std::vector<error_text>& wrong);

// "30 ms kill layer_shard/1", "1 s cut 0->1": see `known_events`. One line of a scenario.
void parse_event(const std::string& text,
                 const std::string& where,
                 simulation_model& to,
                 std::vector<error_text>& wrong);

inline constexpr const char* known_events =
    "TIME kill ROLE, pause NODE, resume NODE, slow NODE xFACTOR, cut A->B, heal A->B (A-B: both "
    "ways)";

} // namespace troupe::cli
