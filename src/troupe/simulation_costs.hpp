// How long computations of a wiring take in a simulated cluster: a function of what is computed
// alone, so that the same seed gives the same run on every machine.
#pragma once

#include "actors/runtime/context.hpp"
#include "troupe/price.hpp"
#include "troupe/wiring.hpp"

#include <chrono>
#include <functional>
#include <vector>

namespace troupe {

struct simulation_costs {
  std::vector<piece_cost> pieces;  // of a microbatch, on one core: measured_costs(); empty: FLOPs
  double flops_per_second = 100e9; // of one core, where nothing was measured; and of evaluation
  double bytes_per_second = 10e9;  // that one core reads and writes: data, sums, updates
  std::chrono::nanoseconds overhead{5'000}; // of each
};

// Throws error: costs of another model. The function stays valid when `w` is gone.
std::function<std::chrono::nanoseconds(const address&, const work&)>
cost_function(const wiring& w, const simulation_costs& costs);

} // namespace troupe
