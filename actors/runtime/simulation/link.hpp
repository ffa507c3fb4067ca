// What carries bytes in a simulated network: a node's port, a rack's uplink or a link of two nodes,
// each in one direction. Messages of one channel follow each other; channels that have something to
// send share the bandwidth equally (processor sharing).
#pragma once

#include "actors/runtime/simulation/event_queue.hpp"
#include "actors/runtime/simulation/letter.hpp"

#include <cstdint>
#include <optional>
#include <vector>

namespace troupe::simulation {

class link {
public:
  link(double bytes_per_second, passage as) : rate_(bytes_per_second), as_(as) {} // finite

  struct sending {
    // What is alone ends then by itself, unless it is joined before.
    std::optional<instant> alone_until;
    std::optional<letters::number> joined; // what was alone until now
  };

  sending send(instant now, letters& all, letters::number what);
  // When the first transfer of several ends if nothing changes until then; nothing: none will.
  [[nodiscard]] std::optional<instant> next_end() const;
  letters::number end_first(instant now, letters& all); // REQUIRES: now is next_end()

private:
  struct ending {
    double served = 0; // then
    std::uint64_t number = 0;
    letters::number what = 0;
  };

  static bool later(const ending& a, const ending& b);
  [[nodiscard]] instant alone_until() const;
  [[nodiscard]] instant after(double bytes) const; // when so many will have been sent
  void pass_time(instant now);
  void begin(letters::number what, std::int64_t bytes);
  std::uint32_t& waiting_with(const letter& l) const;

  double rate_; // bytes a second
  passage as_;
  instant at_{0};
  double served_ = 0; // bytes that a flow which was never idle would have sent until at_
  std::uint64_t begun_ = 0;
  // As a rule there is one transfer at a time: then it lies here until the next one comes, and
  // nobody notices its end.
  std::optional<ending> alone_;
  std::vector<ending> ends_; // several: a heap of the first one of each channel
};

} // namespace troupe::simulation
