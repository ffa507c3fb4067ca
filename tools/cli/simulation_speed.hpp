// How fast a simulation was played: of the wall clock, so not a part of what it says. Setting up is
// told apart; the first step's events belong to it.
#pragma once

#include "troupe/cluster.hpp"

#include <chrono>
#include <cstdint>
#include <string>

namespace troupe::cli {

class simulation_speed {
public:
  simulation_speed();

  void step(double virtual_seconds, std::uint64_t heard); // one is committed
  void end(const run_result& r, int nodes);

  [[nodiscard]] std::string text() const; // a line
  [[nodiscard]] std::string json() const;

private:
  using clock = std::chrono::steady_clock;

  struct reading {
    clock::time_point when;
    double cpu_seconds = 0; // of the process: a busy machine does not count
    double virtual_seconds = 0;
    std::uint64_t heard = 0;
  };

  [[nodiscard]] double seconds() const; // of the steps after the first one

  const clock::time_point began_;
  const double cpu_before_;          // of the process
  const std::uint64_t bytes_before_; // of the process
  std::int64_t steps_ = 0;
  reading first_, last_; // steps
  std::uint64_t bytes_ = 0, bytes_per_node_ = 0;
};

} // namespace troupe::cli
