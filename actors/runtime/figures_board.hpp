// What node 0 hears of the links of a job, and how often each node was lost: one table for people.
// Links that follow each other are added up, so that figures of what was sent never fall; what a
// link sent after its node told of it last, and before it broke, is not in them.
//
// A plain state machine, without clock, lock or socket.
#pragma once

#include "actors/wire/order.hpp"
#include "net/zeromq/node.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

namespace troupe {

// What a node tells of its links. `ordinals`: the first, second ... link to each node is the one
// that stands.
order::traffic traffic_of(const net::node_report& r,
                          const std::map<std::uint32_t, std::uint32_t>& ordinals);

class figures_board {
public:
  using duration = std::chrono::nanoseconds;

  explicit figures_board(std::uint32_t nodes) : nodes_(nodes) {}

  void plays(std::uint32_t node) { ++nodes_.at(node).figures.actors; } // one more actor

  void came(std::uint32_t node, std::uint32_t process) {
    nodes_.at(node).figures.process = process;
  }

  // Whether it is up now, and how often it was lost until now.
  void note(std::uint32_t node, bool is_up, std::uint32_t lost, duration now);
  void note(const net::node_life& from, const order::traffic& all);

  [[nodiscard]] cluster_figures all(duration now) const;

private:
  struct node_row {
    node_figures figures;
    duration changed{0};
  };

  struct link_row {
    std::uint64_t life = 0; // of `from`
    std::uint32_t ordinal = 0;
    link_figures before, now; // links that ended, all together; the last one
  };

  std::vector<node_row> nodes_;
  std::map<std::pair<std::uint32_t, std::uint32_t>, link_row> links_; // by from, then to
};

} // namespace troupe
