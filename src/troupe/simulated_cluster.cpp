#include "troupe/simulated_cluster.hpp"

#include "actors/runtime/simulated_world.hpp"
#include "troupe/stand_in_program.hpp"
#include "troupe/start_run.hpp"

#include <algorithm>
#include <memory>
#include <unordered_map>
#include <utility>

namespace troupe {

void set_machine(simulated_cluster& c, const machine_profile& m) {
  c.costs.machine = m;
  c.model.node.cores = m.cores;
  c.model.node.busy = m.busy;
  c.model.local_delay = m.message;
}

run simulated_cluster::start(const wiring& w, run_options options) const {
  if (const auto mistakes = mistakes_of(*this, w); !mistakes.empty()) throw joined(mistakes);
  if (timing_only) options.evaluate = false;
  const int nodes_here = nodes > 0 ? nodes : w.nodes();
  auto node_of = std::make_shared<std::unordered_map<address, int, address_hash>>();
  for (const auto& role : w.roles)
    (*node_of)[role.where] = role.node % nodes_here;
  const auto disk_here = files ? files : std::make_shared<memory_disk>();
  const auto shards = static_cast<int>(w.of(role_kind::layer_shard).size());
  // As live: one for each layer shard of a node, and at most one for each core.
  const int kernel_threads =
      std::clamp((shards + nodes_here - 1) / nodes_here, 1, model.node.cores);
  auto playing = std::make_shared<simulated_world*>(nullptr);
  return start_run(w,
                   std::move(options),
                   {.make_world =
                        [&] {
                          auto out = std::make_unique<simulated_world>(simulated_world_options{
                              .model = model,
                              .node_of = [node_of](const address& a) { return node_of->at(a); },
                              .cost = cost_function(w, costs),
                              .on_message = on_message,
                              .files = disk_here});
                          *playing = out.get();
                          return out;
                        },
                    .kernel_threads = kernel_threads,
                    .instead = timing_only ? stand_ins_for(w.job) : stand_ins{},
                    .files = disk_here,
                    .report = [playing](run_result& r) { r.simulation = (*playing)->report(); }});
}

} // namespace troupe
