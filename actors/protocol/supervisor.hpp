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
};

// From: supervisor. To: itself, after the back-off. Key: (who, life). Twice: dropped.
// Bound: one per down.
struct restart_due {
  address who;
  incarnation life = 0; // the one that ended
};

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
