// Who waits for what, where nothing is left to happen.
#pragma once

#include "actors/runtime/simulation/network.hpp"
#include "actors/runtime/simulation/node.hpp"
#include "actors/runtime/simulation/seat.hpp"
#include "ops/error.hpp"

#include <memory>
#include <set>
#include <vector>

namespace troupe::simulation {

error_text stuck_text(const simulation_model& model,
                      const event_queue& events,
                      const network& net,
                      const std::vector<std::unique_ptr<simulated_node>>& nodes,
                      const std::set<int>& absent,
                      const std::vector<seat>& seats);

} // namespace troupe::simulation
