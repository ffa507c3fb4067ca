// What carries bytes in a simulated network: a node's port, a rack's uplink or a link of two nodes,
// each in one direction. Transfers of one flow follow each other; flows that have something to send
// share the bandwidth equally (processor sharing).
#pragma once

#include "actors/runtime/simulation/event_queue.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <vector>

namespace troupe::simulation {

class link {
public:
  using passed = std::function<void()>;

  explicit link(double bytes_per_second) : rate_(bytes_per_second) {} // finite

  void send(instant now, std::uint64_t flow, std::int64_t bytes, passed sent);
  // When the first transfer ends if nothing changes until then; nothing: none will.
  [[nodiscard]] std::optional<instant> next_end() const;
  passed end_first(instant now); // REQUIRES: now is next_end()

private:
  struct transfer {
    double bytes = 0;
    passed sent;
  };

  using flow_queue = std::map<std::uint64_t, std::list<transfer>>::iterator;

  struct ending {
    double served = 0; // then
    std::uint64_t number = 0;
    flow_queue flow;
  };

  static bool later(const ending& a, const ending& b);

  void pass_time(instant now);
  void begin_first_of(flow_queue flow);

  double rate_; // bytes a second
  instant at_{0};
  double served_ = 0; // bytes that a flow which was never idle would have sent until at_
  std::uint64_t begun_ = 0;
  std::map<std::uint64_t, std::list<transfer>> flows_; // with something to send
  std::vector<ending> ends_;                           // a heap: the first transfer of each flow
};

} // namespace troupe::simulation
