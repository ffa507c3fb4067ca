// What goes wrong on purpose in a job over several nodes. A fault happens at the node that it
// concerns; of a link, at one of its ends: node 0 where it is one, for it can always be told that
// the link is healed.
#include "actors/runtime/cluster_world_impl.hpp"
#include "net/archive.hpp"

#include <fmt/format.h>

#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace troupe {

namespace {

// Nodes at which `what` is done.
struct concerned {
  const directory& known;
  std::uint32_t nodes;

  template <class Fault>
  std::vector<std::uint32_t> operator()(const Fault& f) const {
    if constexpr (requires { f.who; })
      return {known.at(f.who).node};
    else if constexpr (requires { f.node; })
      return {static_cast<std::uint32_t>(f.node)};
    else if constexpr (requires { f.count; })
      return {static_cast<std::uint32_t>(f.from)};
    else if constexpr (requires { f.from; })
      return {static_cast<std::uint32_t>(f.to == 0 ? f.to : f.from)};
    else if constexpr (requires { f.number; })
      return all_but(static_cast<std::uint32_t>(f.number));
    else
      return {}; // of somebody who is drawn first
  }

  [[nodiscard]] std::vector<std::uint32_t> all_but(std::uint32_t one) const {
    std::vector<std::uint32_t> out;
    for (std::uint32_t n = 0; n < nodes; ++n)
      if (n != one) out.push_back(n);
    return out;
  }
};

} // namespace

order::inject order_of(const fault& f) {
  auto [verb, object] = words_of(f);
  return {std::move(verb), std::move(object)};
}

fault fault_of(const order::inject& o) {
  try {
    return parse_faults(o.verb, o.object, "an order").front();
  } catch (const error& e) {
    throw net::malformed(e.text().what);
  }
}

// REQUIRES: the mutex.
void cluster_world::impl::happen(const fault& what) {
  const auto cut = [&](int from, int to, bool is_cut) {
    const auto a = static_cast<std::uint32_t>(from), b = static_cast<std::uint32_t>(to);
    if (a == me) wire->cut_to(b, is_cut);
    if (b == me) wire->cut_from(a, is_cut);
  };
  const auto isolate = [&](int node, bool is_cut) {
    wire->cut_to(static_cast<std::uint32_t>(node), is_cut);
    wire->cut_from(static_cast<std::uint32_t>(node), is_cut);
  };
  std::visit(
      [&](const auto& f) {
        using kind = std::decay_t<decltype(f)>;
        if constexpr (std::is_same_v<kind, cut_fault> || std::is_same_v<kind, heal_fault>)
          cut(f.from, f.to, std::is_same_v<kind, cut_fault>);
        else if constexpr (requires { f.number; })
          isolate(f.number, std::is_same_v<kind, isolate_fault>);
        else if constexpr (std::is_same_v<kind, drop_fault>)
          wire->drop(static_cast<std::uint32_t>(f.to), f.count);
        else if constexpr (std::is_same_v<kind, corrupt_fault>)
          wire->damage(static_cast<std::uint32_t>(f.to), f.count);
        else if constexpr (requires { f.who; }) {
          if (known.knows(f.who) && known.is_here(f.who)) here.inject(f); // else it has moved
        } else
          here.inject(f);
      },
      what);
}

void cluster_world::inject(const fault& what) {
  impl& w = *impl_;
  const std::lock_guard lock(w.mutex);
  for (const auto node : std::visit(concerned{w.known, w.options.nodes}, what)) {
    if (node == w.me)
      w.happen(what);
    else
      w.order_to(node, order_of(what));
  }
}

void cluster_world::after(std::chrono::nanoseconds delay, std::function<void()> what) {
  impl_->here.after(delay, std::move(what));
}

std::chrono::nanoseconds cluster_world::now() const {
  return impl_->here.now();
}

std::string cluster_world::refusal(const fault& what) const {
  const auto nodes = static_cast<int>(impl_->options.nodes);
  const auto unknown = [nodes](int node) { return no_such_node(node, nodes); };
  return std::visit(
      [&](const auto& f) -> std::string {
        using kind = std::decay_t<decltype(f)>;
        if constexpr (std::is_same_v<kind, leave_fault> || std::is_same_v<kind, join_fault>)
          return "a process leaves when it ends, and joins when it is started again: kill -9 it";
        if constexpr (requires { f.node; })
          if (auto why = unknown(f.node); !why.empty()) return why;
        if constexpr (requires { f.factor; })
          if (!(f.factor >= 1)) return "live nothing takes less than its time: 1 or more";
        if constexpr (requires { f.number; }) {
          if (f.what == whole::rack) return "a job over processes has no racks";
          return unknown(f.number);
        }
        if constexpr (requires { f.from; }) {
          if (f.from == f.to) return "a node has no link to itself";
          const auto why = unknown(f.from);
          return why.empty() ? unknown(f.to) : why;
        }
        return {};
      },
      what);
}

} // namespace troupe
