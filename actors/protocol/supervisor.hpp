// What is said about lives and deaths.
#pragma once

#include "actors/address.hpp"

#include <chrono>
#include <cstdint>
#include <string>

namespace troupe::protocol {

// From: the runtime. To: supervisor. Exactly one per incarnation that ends.
// Key: (who, life). Twice: dropped. Bound: one per incarnation.
struct down {
  address who;
  incarnation life = 0;
  bool killed = false; // on purpose; else `reason` is an error of the actor
  std::string reason;
  std::string input = {}; // what it was handling when it failed; empty: not known, or killed
};

// From: the runtime. To: supervisor, first in the life of each incarnation but the first: what was
// told to those before. Key: (who, life). Twice: dropped. Bound: the last one of each actor, and
// the last 256.
struct past_down {
  down what;
  std::chrono::nanoseconds when{0};
  incarnation successor = 0; // the newest that was started since; 0: none
};

// From: supervisor. To: itself: a back-off or a deadline is over. Key: none. Twice: no effect.
// Bound: one at a time that is not later than those before.
struct supervision_due {};

// From: supervisor. To: every actor: send again what the new incarnation needs.
// Key: (who, life). Twice: sends again, receivers drop duplicates. Bound: one per restart and
// actor.
struct restarted {
  address who;
  incarnation life = 0; // the new one
  std::string reason;   // why the old one ended
  double recovery_ms = 0;
};

} // namespace troupe::protocol
