#include "troupe/simulated_cluster.hpp"

#include "actors/runtime/simulated_world.hpp"
#include "troupe/stand_in_program.hpp"
#include "troupe/start_run.hpp"

#include <memory>
#include <unordered_map>
#include <utility>

namespace troupe {

run simulated_cluster::start(const wiring& w, run_options options) const {
  if (const auto mistakes = mistakes_of(*this, w); !mistakes.empty()) throw joined(mistakes);
  if (timing_only) options.evaluate = false;
  const int nodes_here = nodes > 0 ? nodes : w.nodes();
  auto node_of = std::make_shared<std::unordered_map<address, int, address_hash>>();
  for (const auto& role : w.roles)
    (*node_of)[role.where] = role.node % nodes_here;
  const auto disk_here = files ? files : std::make_shared<memory_disk>();
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
                    .kernel_threads = model.node.cores,
                    .instead = timing_only ? stand_ins_for(w.job) : stand_ins{},
                    .files = disk_here,
                    .report = [playing](run_result& r) { r.simulation = (*playing)->report(); }});
}

} // namespace troupe
