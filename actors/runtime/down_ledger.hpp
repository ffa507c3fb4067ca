// What a supervisor was told of deaths, and whom it has started since: kept by its runtime for the
// supervisor after it. Of each actor the last death, and of those before them the newest ones, so
// that budgets and back-offs go on as if nothing had happened.
#pragma once

#include "actors/protocol/director.hpp"
#include "actors/protocol/supervisor.hpp"
#include "actors/supervision/failure_window.hpp"

#include <chrono>
#include <cstddef>
#include <deque>
#include <map>
#include <vector>

namespace troupe {

class down_ledger {
public:
  static constexpr std::size_t older_max = 256;

  void note(const protocol::down& d, std::chrono::nanoseconds now); // again: ignored
  void note_start(const address& who, incarnation life);
  [[nodiscard]] std::vector<protocol::past_down> all() const; // in the order of time
  void begin_again(); // all have been started, but by nobody

  // Of the supervisor's own failures, which nobody else counts; whether it may begin once more.
  bool bears(const protocol::down& own, std::chrono::nanoseconds now);

private:
  struct record {
    protocol::past_down last;
    incarnation started = 0;
  };

  [[nodiscard]] protocol::past_down with_successor(const protocol::past_down& d) const;

  std::map<address, record> records_;
  std::deque<protocol::past_down> older_;
  failure_window failures_;
};

// Told to the director where it may not.
protocol::job_failed supervisor_failed(const protocol::down& own);

} // namespace troupe
