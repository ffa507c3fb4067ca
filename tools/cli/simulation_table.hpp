// What is told of a simulation.
#pragma once

#include "cli/simulation_run.hpp"

#include <string>

namespace troupe::cli {

// "2 nodes with 2 cores, links 1 ms, 10 Gbit/s; 3 events; seed 1"
std::string model_text(const simulated_cluster& c, const wiring& w);

std::string simulation_table(const simulation_figures& f);

std::string time_text(double seconds); // "12.500 ms"

// "30.000000 ms kill layer_shard/1": what --event and a scenario take.
std::string event_text(const simulation_report::death& d);

} // namespace troupe::cli
