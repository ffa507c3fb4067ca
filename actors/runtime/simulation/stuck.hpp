// What is said where nobody of a simulated world can go on.
#pragma once

#include "actors/runtime/simulation/event_queue.hpp"
#include "actors/runtime/simulation/model.hpp"
#include "actors/runtime/simulation/network.hpp"
#include "actors/wait_graph.hpp"
#include "ops/error.hpp"

namespace troupe::simulation {

error_text stuck_text(const simulation_model& model,
                      const event_queue& events,
                      const network& net,
                      const wait_graph& waits);

} // namespace troupe::simulation
