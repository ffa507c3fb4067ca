// What goes wrong on purpose in a live world: on this node, and on no link.
#include "actors/runtime/live_world_impl.hpp"

#include <string>
#include <type_traits>
#include <utility>
#include <variant>

namespace troupe {

void live_world::impl::wake_all() {
  for (const auto& [who, s] : seats)
    if (s->here) wake(*s);
}

namespace {

template <class... Cases>
struct cases : Cases... {
  using Cases::operator()...;
};

template <class... Cases>
cases(Cases...) -> cases<Cases...>;

} // namespace

void live_world::impl::happen(const fault& what) {
  std::visit(cases{[&](const kill_fault& f) { kill(f.who); },
                   [&](const kill_node_fault&) {
                     for (const auto& [who, s] : seats)
                       if (s->here) kill(who);
                   },
                   [&](const pause_fault&) { paused = true; },
                   [&](const resume_fault&) { // who held something back is told, so that it looks
                     paused = false;
                     wake_all();
                   },
                   [&](const slow_fault& f) { slowness = f.factor; },
                   [&](const slow_actor_fault& f) {
                     if (seat* s = find(f.who)) s->slowness = f.factor;
                   },
                   [&](const fill_disk_fault&) { disk_here.fill(true); },
                   [&](const empty_disk_fault&) { disk_here.fill(false); },
                   [](const auto&) {}}, // of links, and of who is there
             what);
}

void live_world::inject(const fault& what) {
  impl_->happen(what);
}

void live_world::after(std::chrono::nanoseconds delay, std::function<void()> what) {
  impl_->threads.submit_after(delay, std::move(what));
}

std::string live_world::refusal(const fault& what) const {
  return std::visit(
      [](const auto& f) -> std::string {
        using kind = std::decay_t<decltype(f)>;
        if constexpr (std::is_same_v<kind, leave_fault> || std::is_same_v<kind, join_fault>)
          return "the one node of a job in one process is there until its end";
        else if constexpr (
            requires { f.from; } || requires { f.number; })
          return "a job in one process has no links";
        if constexpr (requires { f.node; })
          if (f.node != 0) return "a job in one process is node 0 alone";
        if constexpr (requires { f.factor; })
          if (!(f.factor >= 1)) return "live nothing takes less than its time: 1 or more";
        return {};
      },
      what);
}

} // namespace troupe
