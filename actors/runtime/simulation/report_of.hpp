// What a simulated world tells of its actors and nodes.
#pragma once

#include "actors/runtime/simulation/report.hpp"
#include "actors/runtime/simulation/seat.hpp"

#include <functional>
#include <vector>

namespace troupe::simulation {

simulation_report report_of(const std::vector<seat*>& actors,
                            const std::function<int(int)>& cores_of_node);

} // namespace troupe::simulation
