// One direction between two simulated nodes. Each pair of actors is a flow: it sends its messages
// one after the other, and flows that have something to send share the bandwidth equally
// (processor sharing). A link that is cut stands still, and goes on where it was when it heals.
#pragma once

#include "actors/runtime/simulation/event_queue.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>

namespace troupe::simulation {

class link {
public:
  using arrival = std::function<void()>;

  explicit link(double bytes_per_second) : rate_(bytes_per_second) {}

  void send(instant now, std::uint64_t flow, std::int64_t bytes, arrival sent);
  // When the first transfer ends if nothing changes until then; nothing: none will.
  [[nodiscard]] std::optional<instant> next_end() const;
  arrival end_first(instant now); // REQUIRES: now is next_end()

  void cut(instant now);
  void heal(instant now);

  [[nodiscard]] bool is_cut() const { return cut_; }

  std::uint64_t changes = 0; // counted by the world: a planned end is void after another change

private:
  struct transfer {
    double bytes = 0;
    arrival sent;
  };

  void pass_time(instant now);

  double rate_; // bytes a second
  bool cut_ = false;
  instant at_{0};
  double served_ = 0; // bytes that a flow which was never idle would have sent until at_
  std::map<std::uint64_t, std::deque<transfer>> flows_;
  std::multimap<double, std::uint64_t> ends_; // flows, by what will be served when their first ends
};

} // namespace troupe::simulation
