// Who waits for whom in a simulated world, and what is on its way.
#pragma once

#include "actors/runtime/simulation/letter.hpp"
#include "actors/runtime/simulation/network.hpp"
#include "actors/runtime/simulation/node.hpp"
#include "actors/runtime/simulation/report.hpp"
#include "actors/runtime/simulation/seat.hpp"
#include "actors/wait_graph.hpp"

#include <memory>
#include <set>
#include <vector>

namespace troupe::simulation {

struct world_parts {
  const std::vector<seat>& by_index;
  const std::vector<seat*>& by_address;
  const letters& mail;
  const network& net;
  const std::vector<std::unique_ptr<simulated_node>>& nodes;
  const std::set<int>& absent;
  const std::vector<simulation_report::death>& deaths;
  instant now{0};
};

wait_graph waits_of(const world_parts& world);

} // namespace troupe::simulation
