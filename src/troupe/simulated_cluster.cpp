#include "troupe/simulated_cluster.hpp"

#include "actors/runtime/simulated_world.hpp"
#include "troupe/stand_in_program.hpp"
#include "troupe/start_run.hpp"

#include <algorithm>
#include <memory>
#include <unordered_map>
#include <utility>

namespace troupe {

namespace {

simulation_model with_failures(const simulated_cluster& c, const wiring& w) {
  simulation_model out = c.model;
  if (c.failures)
    for (auto& f : draw_failures(w, *c.failures, c.model.seed))
      out.faults.push_back(std::move(f));
  return out;
}

double seconds_of(std::chrono::nanoseconds time) {
  return std::chrono::duration<double>(time).count();
}

// Notes when steps were committed, which the world does not know, and tells the observer.
class commit_log {
public:
  explicit commit_log(std::function<void(const run_event&)> observer)
      : observer_(std::move(observer)) {}

  void add(const run_event& e) {
    if (const auto* step = std::get_if<step_event>(&e)) {
      commits.push_back({seconds_of(world->now()), step->seconds - last_});
      last_ = step->seconds;
    }
    if (observer_) observer_(e);
  }

  simulated_world* world = nullptr;
  std::vector<simulation_report::commit> commits;

private:
  std::function<void(const run_event&)> observer_;
  double last_ = 0;
};

} // namespace

simulated_cluster undisturbed(simulated_cluster c) {
  c.model.faults.clear();
  c.failures.reset();
  c.timing_only = true;
  c.on_message = {};
  c.on_point = {};
  c.files.reset();
  return c;
}

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
  auto log = std::make_shared<commit_log>(std::move(options.observer));
  options.observer = [log](const run_event& e) { log->add(e); };
  return start_run(w,
                   std::move(options),
                   {.make_world =
                        [&](const run_hooks& hooks, const start_of_run&) {
                          auto out = std::make_unique<simulated_world>(simulated_world_options{
                              .model = with_failures(*this, w),
                              .node_of = [node_of](const address& a) { return node_of->at(a); },
                              .cost = cost_function(w, costs),
                              .on_message = on_message,
                              .on_point = on_point,
                              .files = disk_here,
                              .actors = w.roles.size(),
                              .name_sources = hooks.name_sources});
                          log->world = out.get();
                          return out;
                        },
                    .kernel_threads = kernel_threads,
                    .instead = timing_only ? stand_ins_for(w.job) : stand_ins{compile_cpu},
                    .files = disk_here,
                    .report =
                        [log](run_result& r) {
                          r.simulation = log->world->report();
                          r.simulation->commits = log->commits;
                        }});
}

} // namespace troupe
