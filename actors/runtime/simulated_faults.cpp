// What goes wrong in a simulated world, and what repairs it.
#include "actors/runtime/simulated_world_impl.hpp"

#include <fmt/format.h>

#include <variant>

namespace troupe {

using namespace simulation;

void simulated_world::impl::end_all(const std::string& reason,
                                    const std::function<bool(const seat&)>& whom) {
  for (seat& s : by_index)
    if (whom(s)) end(s, true, reason);
}

void simulated_world::impl::leave(int node) {
  if (!absent.insert(node).second) return;
  end_all(fmt::format("node {} left", node), [&](const seat& s) { return s.node == node; });
  node_at(node).resume();
}

void simulated_world::impl::join(int node) {
  if (absent.erase(node) == 0) return;
  end_all(fmt::format("moves to node {}, which joined", node),
          [&](const seat& s) { return s.home == node; });
}

void simulated_world::impl::happen(const fault& f) {
  struct doing {
    impl& world;

    void operator()(const kill_fault& k) const {
      seat& s = world.at(k.who);
      if (s.now == seat::phase::down) return;
      world.end(s, true, "killed");
      world.deaths[s.death - 1].killed = true;
    }

    void operator()(const kill_node_fault& k) const {
      world.end_all(fmt::format("node {} was killed", k.node),
                    [&](const seat& s) { return s.node == k.node; });
    }

    void operator()(const leave_fault& l) const { world.leave(l.node); }

    void operator()(const join_fault& j) const { world.join(j.node); }

    void operator()(const pause_fault& p) const {
      world.paused = true;
      world.node_at(p.node).pause();
    }

    void operator()(const resume_fault& r) const { world.node_at(r.node).resume(); }

    void operator()(const slow_fault& s) const { world.node_at(s.node).slowness = s.factor; }

    void operator()(const cut_fault& c) const { world.net.cut(c.from, c.to); }

    void operator()(const heal_fault& h) const { world.net.heal(h.from, h.to); }

    void operator()(const isolate_fault& i) const { world.net.isolate(i.what, i.number); }

    void operator()(const reconnect_fault& r) const { world.net.reconnect(r.what, r.number); }
  };

  std::visit(doing{*this}, f);
}

} // namespace troupe
