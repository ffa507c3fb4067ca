// Kills that were planned for an actor, as it hears what it hears.
#pragma once

#include "actors/runtime/world.hpp"

#include <fmt/format.h>

#include <stdexcept>
#include <vector>

namespace troupe {

struct killed : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// When `m` is handled. Throws killed where it was the last one; that kill is done.
inline void follow(std::vector<kill_plan>& plans, const message& m) {
  if (plans.empty()) return;
  const auto step = step_of(m);
  if (!step) return;
  for (auto k = plans.begin(); k != plans.end(); ++k)
    if (k->step == *step && --k->after_messages <= 0) {
      plans.erase(k);
      throw killed(fmt::format("killed at step {} after {}", *step, message_name(m)));
    }
}

} // namespace troupe
