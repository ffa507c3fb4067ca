// Failures as a Poisson process: actors die one by one, at gaps that are exponentially distributed,
// whenever and whoever it is. Drawn from the world's seed before the run, as events like any other.
#pragma once

#include "actors/runtime/simulation/model.hpp"
#include "troupe/wiring.hpp"

#include <chrono>
#include <cstdint>
#include <vector>

namespace troupe {

struct failure_rate {
  static constexpr int failures_max = 10'000; // of a run

  std::chrono::nanoseconds mean_gap{0}; // between two failures in the whole cluster
  std::vector<role_kind> roles;         // whose actors die; empty: of all that take part in steps
};

// The first `failures_max` of them, in order. REQUIRES: mistakes_of(rate, w) is empty.
std::vector<timed_fault>
draw_failures(const wiring& w, const failure_rate& rate, std::uint64_t seed);

// What keeps actors of the wiring from dying so.
std::vector<error_text> mistakes_of(const failure_rate& rate, const wiring& w);

} // namespace troupe
