// A message of a simulated world from sending to hearing, in one place.
#pragma once

#include "actors/address.hpp"
#include "actors/message.hpp"
#include "actors/runtime/simulation/event_queue.hpp"
#include "actors/runtime/simulation/slots.hpp"

#include <cstdint>
#include <utility>

namespace troupe::simulation {

struct channel;

struct letter {
  std::uint32_t from = 0, to = 0; // seats
  incarnation to_life = 0;        // 0: whoever plays the role
  int from_node = 0, to_node = 0;
  std::uint32_t number = 0; // of those that its channel has carried
  instant sent{0};
  channel* by = nullptr;
  std::int64_t bytes = 0;
  instant passed{0};      // everything that it has to itself, and whatever else has carried it
  duration travels{0};    // after that
  int passing = 0;        // so many things that it shares have not carried it yet
  std::uint32_t plan = 0; // the event of its arrival; 0: not known yet
  message content;
};

class letters : public slots<letter> {
public:
  void remove(number n) {
    (*this)[n].content = protocol::stop_job{}; // what it had is free now
    slots::remove(n);
  }
};

} // namespace troupe::simulation
