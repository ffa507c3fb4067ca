#pragma once

#include "actors/address.hpp"

#include <cstdint>
#include <string>
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

  struct node_use {
    int node = 0;
    int cores = 1;
    double busy_seconds = 0; // of all cores together
  };

  struct link_use {
    int from = 0, to = 0; // nodes
    std::uint64_t messages = 0, bytes = 0, resent = 0, duplicated = 0;
  };

  struct death {
    address who;
    int node = 0;
    double seconds = 0;       // since the world began
    double ready_seconds = 0; // when the next incarnation heard its first message; 0: none did
    bool killed = false;      // by an event of the world, whose text would be `seconds` kill `who`
  };

  struct commit {
    double seconds = 0;      // since the world began
    double step_seconds = 0; // since the one before, evaluation and saving excluded
  };

  double seconds = 0;           // virtual, since the world began
  std::uint64_t events = 0;     // messages heard
  std::uint64_t trace_hash = 0; // of all of them: when, from whom, to whom, what
  std::vector<actor_use> actors;
  std::vector<node_use> nodes;
  std::vector<link_use> links; // that were used
  std::vector<death> deaths;   // as they happened
  std::vector<commit> commits; // of steps, as they were told
};

} // namespace troupe
