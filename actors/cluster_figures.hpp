// What there is to see of the nodes of a job and of the links between them.
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

namespace troupe {

struct node_figures {
  std::uint32_t node = 0;
  bool is_up = false;
  std::uint32_t lost = 0;            // how often it was
  std::uint32_t actors = 0;          // that it plays, or would
  std::uint32_t process = 0;         // its number on its machine; 0: not known
  std::chrono::nanoseconds since{0}; // it is up, or missing, for so long
};

// One direction: what `from` sends to `to`, as `from` sees it.
struct link_figures {
  std::uint32_t from = 0, to = 0;
  bool stands = false;
  // So far, of all links of the job from the one to the other.
  std::uint64_t bytes = 0, messages = 0, resent = 0, reconnections = 0;
  std::uint64_t waiting_bytes = 0;   // for the window
  std::uint64_t in_flight_bytes = 0; // sent, not acknowledged
  std::uint64_t credit_bytes = 0;    // what is left of the window
  std::uint64_t round_trip_ns = 0;   // the last that was measured
};

struct cluster_figures {
  std::chrono::nanoseconds at{0}; // since the world began
  std::vector<node_figures> nodes;
  std::vector<link_figures> links; // by from, then to
};

} // namespace troupe
