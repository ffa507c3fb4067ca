// Plays the simulations of a sweep, several at a time, and hands their figures on in order.
#pragma once

#include "cli/simulation_run.hpp"
#include "cli/sweep.hpp"

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace troupe::cli {

struct sweep_row {
  sweep_point point;
  setting_values values;         // all that was set
  std::vector<error_text> wrong; // why it is impossible; empty: it was played
  simulation_figures figures;    // without what grows with the cluster or the job
  int nodes = 0;
  std::optional<double> efficiency; // on curves over nodes, replicas or stages: 1 is the first's
};

// `tell` is called with one row after the other, from the caller's thread.
std::vector<sweep_row> play(const sweep& s,
                            const setting_values& values,
                            const std::function<void(const sweep_row&)>& tell);

// The curve that a row is a point of: "grouped, link 1 ms"; empty where there is but one.
std::string curve_of(const sweep& s, const sweep_row& row);
// Where on the curve. REQUIRES: the sweep has one.
double place_of(const sweep& s, const sweep_row& row);

} // namespace troupe::cli
