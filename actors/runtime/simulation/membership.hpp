// Which nodes of a simulated world are there, and on which an actor is played.
#pragma once

#include "actors/runtime/simulation/model.hpp"
#include "actors/runtime/simulation/seat.hpp"

#include <set>
#include <vector>

namespace troupe::simulation {

// Nodes that join before they ever leave. REQUIRES: in the order of time.
std::set<int> absent_at_first(const std::vector<timed_fault>& faults);

// Home if that is there; else where it was last; else the node with the fewest actors.
int place_of(const seat& s, const std::vector<seat*>& all, const std::set<int>& absent);

} // namespace troupe::simulation
