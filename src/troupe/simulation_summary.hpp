// What a simulation's report amounts to: step times, utilisation, traffic, recovery, goodput.
#pragma once

#include "actors/runtime/simulation/report.hpp"

#include <cstdint>
#include <vector>

namespace troupe {

// Of some values; zeros where there are none.
struct value_spread {
  std::size_t count = 0;
  double least = 0, mean = 0, median = 0, p99 = 0, most = 0;
};

value_spread spread_of(std::vector<double> values);

struct simulation_summary {
  // Shares of virtual time: an actor may compute on several cores, so its own may exceed 1.
  struct role_use {
    role_kind role = role_kind::director;
    int actors = 0;
    std::uint64_t messages = 0; // heard
    double busy_seconds = 0;    // of all of them
    double mean = 0, most = 0;  // utilisation, 1: always busy
    address busiest;
  };

  struct node_use {
    double mean = 0, least = 0, most = 0; // share of the cores' time
    int least_node = 0, most_node = 0;
  };

  struct traffic {
    std::uint64_t messages = 0, bytes = 0; // between nodes
    double step_bytes = 0;                 // of a step
    std::size_t busiest = 0;               // of the report's links: the most bytes
  };

  // From a death to the next incarnation, and to the first step committed by anybody since then.
  struct recovery {
    address who;
    double died = 0;                 // since the world began
    double ready = 0, committed = 0; // seconds after that; below 0: never
  };

  value_spread step_seconds;
  std::vector<role_use> roles;
  node_use nodes;
  traffic network;
  std::vector<recovery> recoveries;
  value_spread ready_seconds, committed_seconds; // of those that were
};

simulation_summary summary_of(const simulation_report& r);

// Useful work for the time: what is committed counts, what is computed again does not.
struct goodput {
  double share = 1;          // of the undisturbed rate of commits
  double seconds = 0;        // that the steps took, evaluation and saving excluded
  double lost_seconds = 0;   // of these, more than undisturbed
  double down_seconds = 0;   // of these, while somebody who had died was not ready
  double replay_seconds = 0; // the rest: work done again, and others waiting for it
  double again_seconds = 0;  // of cores, computed more than undisturbed
};

// REQUIRES: as many commits in both.
goodput goodput_of(const simulation_report& disturbed, const simulation_report& calm);

} // namespace troupe
