// What a simulated world is made of: nodes, links, what computing costs, and what goes wrong when.
#pragma once

#include "actors/fault.hpp"
#include "actors/runtime/world_observer.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace troupe {

// One direction between two nodes. Messages of a pair of actors arrive once and in order, whatever
// happens on the way: what is lost is sent again after a time-out, and those behind it wait.
struct link_model {
  std::chrono::nanoseconds latency{0};
  std::chrono::nanoseconds jitter{0}; // mean of an exponential tail on top of the latency
  double bytes_per_second =
      std::numeric_limits<double>::infinity(); // that this one carries at most
  double loss = 0;                             // of messages, 0 to 0.9
  std::chrono::nanoseconds resend_after{200'000'000};
  // Of messages, 0 to 0.9: a second copy comes later, out of order, as after a reconnection.
  double duplicates = 0;
};

struct node_model {
  int cores = 2;
  double slowness = 1; // everything that is computed on it takes so many times as long
  // Of its port, in each direction, shared by all that it sends, or hears; 0: as the links.
  double bytes_per_second = 0;
  std::int64_t memory_bytes = 0; // that its actors may need; 0: no limit
  // How many times as long what begins while 1, 2, ... cores compute takes, for cores share memory
  // and clock; with more cores, as the last one. Empty: 1.
  std::vector<double> busy = {};
};

// Nodes stand in racks in the order of their numbers. What goes from rack to rack shares the uplink
// of either, which has so much bandwidth in each direction.
struct rack_model {
  int nodes = 0; // of a rack; 0: no racks
  double bytes_per_second = std::numeric_limits<double>::infinity();
  std::chrono::nanoseconds latency{0}; // between racks, on top of the link's
};

// Faults of the same time happen in their order.
struct timed_fault {
  std::chrono::nanoseconds when{0};
  fault what;
  std::string where = {}; // that asked for it, told in mistakes; may be empty
};

enum class exploration : std::uint8_t {
  by_time,  // what is due first happens first; the seed draws among what is due together
  anything, // besides, messages linger and computations dawdle at random
};

// What happens to one message between two nodes, besides what its link does.
struct message_fate {
  bool lost = false; // once, and is sent again after the link's time; so is what cannot be read
  std::chrono::nanoseconds late{0};
  std::optional<std::chrono::nanoseconds> copy_after; // it was heard: a copy comes, out of order
};

struct simulation_model {
  std::uint64_t seed = 1;
  exploration order = exploration::by_time;
  node_model node; // where `nodes` says nothing
  std::map<int, node_model> nodes;
  link_model link; // where `links` says nothing
  std::map<std::pair<int, int>, link_model> links;
  rack_model racks;
  std::chrono::nanoseconds local_delay{2'000};  // of a message within a node
  std::chrono::nanoseconds start_delay{50'000}; // from a restart to the first message heard
  std::vector<timed_fault> faults;
  // Asked for every message, as it is sent; none: nothing happens to them.
  std::function<message_fate(const address& from, const address& to, const message&)> on_way;
  std::chrono::nanoseconds time_max = std::chrono::hours(24 * 365); // virtual; then it is a mistake
};

} // namespace troupe
