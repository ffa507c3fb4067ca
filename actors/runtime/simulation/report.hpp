#pragma once

#include "actors/address.hpp"

#include <cstdint>
#include <vector>

namespace troupe {

// What a simulation knows at its end.
struct simulation_report {
  struct actor_use {
    address who;
    int node = 0;
    std::uint64_t messages = 0; // heard
    double busy_seconds = 0;    // of its computations
  };

  struct link_use {
    int from = 0, to = 0; // nodes
    std::uint64_t messages = 0, bytes = 0, resent = 0, duplicated = 0;
  };

  double seconds = 0;           // virtual, since the world began
  std::uint64_t events = 0;     // messages heard
  std::uint64_t trace_hash = 0; // of all of them: when, from whom, to whom, what
  std::vector<actor_use> actors;
  std::vector<link_use> links; // that were used
};

} // namespace troupe
