// How long computations of a wiring take in a simulated cluster: a function of what is computed
// alone, so that the same seed gives the same run on every machine.
#pragma once

#include "actors/runtime/context.hpp"
#include "troupe/machine_profile.hpp"
#include "troupe/price.hpp"
#include "troupe/wiring.hpp"

#include <chrono>
#include <functional>
#include <vector>

namespace troupe {

struct simulation_costs {
  machine_profile machine;
  std::vector<piece_cost> pieces; // measured_costs(), instead of what the profile says of kernels
};

// Throws error: costs of another model. The function stays valid when `w` is gone.
std::function<std::chrono::nanoseconds(const address&, const work&)>
cost_function(const wiring& w, const simulation_costs& costs);

} // namespace troupe
