// What carries bytes in a simulated network: a node's port, a rack's uplink or a link of two nodes,
// each in one direction. Transfers of one flow follow each other; flows that have something to send
// share the bandwidth equally (processor sharing).
#pragma once

#include "actors/runtime/simulation/event_queue.hpp"
#include "actors/runtime/simulation/flat_table.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace troupe::simulation {

class link {
public:
  using ticket = std::uint32_t; // what was sent, by a number that the sender knows

  explicit link(double bytes_per_second) : rate_(bytes_per_second) {} // finite

  struct sending {
    // What is alone ends then by itself, unless it is joined before.
    std::optional<instant> alone_until;
    std::optional<ticket> joined; // what was alone until now
  };

  sending send(instant now, std::uint64_t flow, std::int64_t bytes, ticket what);
  // When the first transfer of several ends if nothing changes until then; nothing: none will.
  [[nodiscard]] std::optional<instant> next_end() const;
  ticket end_first(instant now); // REQUIRES: now is next_end()

private:
  static constexpr std::uint32_t none = ~std::uint32_t{0};

  struct transfer {
    double bytes = 0;
    ticket what = 0;
    std::uint32_t next = none; // of its flow; of a free place, the next one that is free
  };

  struct flow_queue {
    std::uint32_t first = none, last = none; // places in transfers_
  };

  struct ending {
    double served = 0; // then
    std::uint64_t number = 0;
    std::uint64_t flow = 0;
  };

  // Several at once.
  struct crowd {
    flat_table<std::uint64_t, flow_queue> flows; // with something to send
    std::vector<transfer> transfers;
    std::uint32_t free = none;
    std::vector<ending> ends; // a heap: the first transfer of each flow
  };

  [[nodiscard]] bool is_crowded() const { return crowd_ && !crowd_->ends.empty(); }

  static bool later(const ending& a, const ending& b);
  [[nodiscard]] instant alone_until() const;
  [[nodiscard]] instant after(double bytes) const; // when so many will have been sent
  void spread_alone();
  void pass_time(instant now);
  void begin(std::uint64_t flow, double bytes);
  [[nodiscard]] std::uint32_t place_for(const transfer& t);

  double rate_; // bytes a second
  instant at_{0};
  double served_ = 0; // bytes that a flow which was never idle would have sent until at_
  std::uint64_t begun_ = 0;
  // As a rule there is one transfer at a time: then it lies here, and in none of the tables, until
  // the next one comes: nobody notices its end.
  std::optional<std::pair<ending, ticket>> alone_;
  std::unique_ptr<crowd> crowd_; // made when it is needed
};

} // namespace troupe::simulation
