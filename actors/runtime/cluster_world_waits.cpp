// Who waits for what in a world of several nodes.
#include "actors/runtime/cluster_world_impl.hpp"

namespace troupe {

roll_call cluster_world::impl::call_roll() {
  const std::lock_guard lock(mutex);
  roll_call out{.placements = known.placements()};
  for (std::uint32_t n = 1; n < options.nodes; ++n)
    if (leader.is_there(n))
      out.there.push_back(n);
    else
      out.missing.push_back({n, node_state::missing, leader.why_missing(n)});
  return out;
}

wait_graph cluster_world::waits() {
  impl& w = *impl_;
  if (w.leads()) return w.desk.ask(w.call_roll());
  auto out = w.here.waits();
  out.knows_all = false;
  for (auto& a : out.actors)
    a.node = w.me;
  return out;
}

} // namespace troupe
