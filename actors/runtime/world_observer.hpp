// Who looks on as a world plays: hears what every actor hears and sees what is computed, with the
// time of the world (live or virtual).
#pragma once

#include "actors/address.hpp"
#include "actors/message.hpp"
#include "actors/runtime/context.hpp"

#include <chrono>
#include <cstdint>

namespace troupe {

// One thing that was heard.
struct heard_message {
  std::chrono::nanoseconds when{0};
  address from, to;
  const message* content = nullptr;  // while it is told
  bool copy = false;                 // a duplicate
  std::chrono::nanoseconds sent{0};  // of what was sent from outside of the world: when it came
  std::chrono::nanoseconds until{0}; // its handler was done
};

// One thing that was computed, or as much of it as came before its actor's death.
struct computed_work {
  address who;
  work what;
  std::uint64_t step = 0; // where it was asked for with one
  std::chrono::nanoseconds from{0}, until{0};
};

// Called from any thread of a live world, from several at once; returns soon.
class world_observer {
public:
  virtual ~world_observer() = default;
  virtual void heard(const heard_message& m) = 0;
  virtual void computed(const computed_work& w) = 0;
};

} // namespace troupe
