// A message of a simulated world from sending to hearing, in one place.
#pragma once

#include "actors/address.hpp"
#include "actors/message.hpp"
#include "actors/runtime/simulation/event_queue.hpp"
#include "actors/runtime/simulation/slots.hpp"

#include <array>
#include <cstdint>
#include <utility>

namespace troupe::simulation {

struct edge;
struct channel;

struct letter {
  std::uint32_t from = 0, to = 0; // seats
  incarnation to_life = 0;        // 0: whoever plays the role
  int to_node = 0;
  std::uint32_t number = 0; // of those that its channel has carried
  std::uint32_t next = 0;   // the one after it, as long as that waits for it
  std::uint32_t plan = 0;   // the event of its arrival; 0: not known yet
  int passing = 0;          // so many things that it shares have not carried it yet
  instant sent{0};
  channel* by = nullptr;
  std::int64_t bytes = 0;
  instant passed{0};   // everything that it has to itself, and whatever else has carried it
  duration travels{0}; // after that
  message content;
};

// What may be shared on the way of a message, each in one direction.
enum class passage : std::uint8_t { port_out, link, uplink_out, uplink_in, port_in };

// What was sent by one actor to another, from node to node, in order.
struct channel {
  edge* along = nullptr;   // null: within a node
  std::uint32_t index = 0; // of all channels
  std::uint32_t sent = 0, heard = 0;
  std::uint32_t last = 0;                 // letter that was sent
  std::array<std::uint32_t, 5> waiting{}; // by passage: for it, or being carried among others
};

class letters : public slots<letter> {
public:
  void remove(number n) {
    (*this)[n].content = protocol::stop_job{}; // what it had is free now
    slots::remove(n);
  }
};

} // namespace troupe::simulation
