// What goes wrong in a simulated world, and what repairs it.
#include "actors/runtime/limited_disk.hpp"
#include "actors/runtime/simulated_world_impl.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <type_traits>
#include <utility>
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

    void operator()(const kill_any_fault&) const {
      TROUPE_ASSERT(false, "somebody who dies is drawn before");
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

    void operator()(const slow_actor_fault& s) const { world.at(s.who).slowness = s.factor; }

    void operator()(const cut_fault& c) const { world.net.cut(c.from, c.to); }

    void operator()(const heal_fault& h) const { world.net.heal(h.from, h.to); }

    void operator()(const isolate_fault& i) const { world.net.isolate(i.what, i.number); }

    void operator()(const reconnect_fault& r) const { world.net.reconnect(r.what, r.number); }

    // A frame whose checksum is wrong is not heard, as one that is lost.
    void operator()(const drop_fault& d) const { world.net.lose(d.from, d.to, d.count); }

    void operator()(const corrupt_fault& c) const { world.net.lose(c.from, c.to, c.count); }

    void operator()(const fill_disk_fault& d) const { world.full_disks.insert(d.node); }

    void operator()(const empty_disk_fault& d) const { world.full_disks.erase(d.node); }
  };

  std::visit(doing{*this}, f);
}

disk& simulated_world::impl::files_of(int node) {
  if (!full_disks.contains(node)) return *options.files;
  if (!no_space) {
    auto out = std::make_unique<limited_disk>(*options.files);
    out->fill(true);
    no_space = std::move(out);
  }
  return *no_space;
}

void simulated_world::impl::order(std::function<void()> what) {
  const std::lock_guard lock(mutex);
  orders.push_back(std::move(what));
  ordered = true;
}

void simulated_world::inject(const fault& what) {
  impl_->order([world = impl_.get(), what] { world->happen(what); });
}

// Who comes and goes is known before the beginning: where they are at first depends on it.
std::string simulated_world::refusal(const fault& what) const {
  int nodes = 0;
  for (const seat& s : impl_->by_index)
    nodes = std::max(nodes, s.home + 1);
  const auto unknown = [nodes](int node) { return no_such_node(node, nodes); };
  return std::visit(
      [&](const auto& f) -> std::string {
        using kind = std::decay_t<decltype(f)>;
        if constexpr (std::is_same_v<kind, leave_fault> || std::is_same_v<kind, join_fault>)
          return "a simulated node leaves and joins by an event of its scenario";
        if constexpr (requires { f.node; }) return unknown(f.node);
        if constexpr (requires { f.number; })
          return f.what == whole::node ? unknown(f.number) : std::string();
        if constexpr (requires { f.from; }) {
          if (f.from == f.to) return "a node has no link to itself";
          const auto why = unknown(f.from);
          return why.empty() ? unknown(f.to) : why;
        }
        return {};
      },
      what);
}

void simulated_world::after(std::chrono::nanoseconds delay, std::function<void()> what) {
  impl_->order([world = impl_.get(), delay, what = std::move(what)]() mutable {
    world->events.push({.when = world->events.now() + delay, .happen = std::move(what)});
  });
}

} // namespace troupe
