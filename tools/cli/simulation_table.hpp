// What is told of a simulation.
#pragma once

#include "cli/simulation_run.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace troupe::cli {

// "2 nodes with 2 cores, links 1 ms, 10 Gbit/s; 3 events; seed 1"
std::string model_text(const simulated_cluster& c, const wiring& w);

std::string simulation_table(const simulation_figures& f);

// The histogram of staleness in at most 16 rows: "0", or "4 to 7" where there are more.
struct staleness_row {
  std::string name;
  std::int64_t updates = 0;
};

std::vector<staleness_row> staleness_rows(const staleness_count& s);

std::string time_text(double seconds); // "12.500 ms"

// "30.000000 ms kill layer_shard/1": what --event and a scenario take.
std::string event_text(const simulation_report::death& d);

} // namespace troupe::cli
