// At 100,000 nodes no actor is in the cache when its turn comes. Who is next is known, so what it
// is made of is fetched while others act: one line leads to the next.
#pragma once

#include "actors/runtime/simulation/event_queue.hpp"
#include "actors/runtime/simulation/letter.hpp"
#include "actors/runtime/simulation/network.hpp"
#include "actors/runtime/simulation/node.hpp"
#include "actors/runtime/simulation/seat.hpp"

#include <cstddef>
#include <memory>
#include <vector>

namespace troupe::simulation {

template <int count>
void prefetch_lines(const void* first) {
  for (int line = 0; line < count; ++line)
    __builtin_prefetch(static_cast<const std::byte*>(first) + 64 * line);
}

inline void prefetch(const event_queue& events,
                     const letters& mail,
                     const std::vector<seat>& seats,
                     const std::vector<std::unique_ptr<simulated_node>>& nodes,
                     const network& net) {
  const auto after = [&](std::size_t many) -> const letter* {
    const event* e = events.upcoming(many);
    return e == nullptr || e->letter == event::none ? nullptr : &mail[e->letter];
  };
  if (const letter* l = after(28)) prefetch_lines<3>(l);
  if (const letter* l = after(20)) {
    prefetch_lines<2>(&seats[l->to]);
    network::prefetch_near(*l);
  }
  if (const letter* l = after(10)) {
    net.prefetch_far(*l);
    prefetch_lines<8>(seats[l->to].player.get());
    if (const auto node = static_cast<std::size_t>(l->to_node); node < nodes.size())
      prefetch_lines<2>(nodes[node].get());
  }
}

} // namespace troupe::simulation
