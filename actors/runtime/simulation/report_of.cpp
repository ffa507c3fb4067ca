#include "actors/runtime/simulation/report_of.hpp"

#include <chrono>
#include <map>

namespace troupe::simulation {

simulation_report report_of(const std::vector<seat*>& actors,
                            const std::function<int(int)>& cores_of_node) {
  simulation_report out;
  std::map<int, simulation_report::node_use> nodes;
  for (const seat* s : actors) {
    const double busy = std::chrono::duration<double>(s->busy).count();
    out.actors.push_back({s->who, s->node, s->messages, busy});
    auto& home = nodes[s->node];
    home = {s->node, cores_of_node(s->node), home.busy_seconds + busy};
  }
  for (const auto& [number, use] : nodes)
    out.nodes.push_back(use);
  return out;
}

} // namespace troupe::simulation
