// A simulated cluster in words, as options say it: nodes, links, racks and events. Mistakes go to
// `wrong`, with the place that said it.
#pragma once

#include "actors/runtime/simulation/model.hpp"
#include "ops/error.hpp"

#include <chrono>
#include <string>
#include <vector>

namespace troupe::cli {

// "2x slower, 4 cores, 25 Gbit/s, 8 GB", for one node "3: 2x slower".
void parse_node(const std::string& text, simulation_model& to, std::vector<error_text>& wrong);

// "1 ms, 10 Gbit/s, loss 0.01", from one node to another "0->1: 20 ms", both ways "0-1: 20 ms".
void parse_link(const std::string& text, simulation_model& to, std::vector<error_text>& wrong);

// "40 nodes, 100 Gbit/s, 2 us"
void parse_racks(const std::string& text, simulation_model& to, std::vector<error_text>& wrong);

// "30 ms kill layer_shard/1", "1 s cut 0->1".
void parse_event(const std::string& text,
                 const std::string& where,
                 simulation_model& to,
                 std::vector<error_text>& wrong);

// What follows the time of an event.
void add_event(std::chrono::nanoseconds when,
               const std::string& verb,
               const std::string& object,
               const std::string& where,
               simulation_model& to,
               std::vector<error_text>& wrong);

} // namespace troupe::cli
