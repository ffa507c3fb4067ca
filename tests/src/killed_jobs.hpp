// What tests that kill actors of simulated jobs have in common.
#pragma once

#include "src/small_jobs.hpp"

#include <chrono>
#include <set>
#include <utility>
#include <vector>

namespace troupe::test {

struct named_wiring {
  const char* name;
  wiring w;
};

inline simulated_cluster quiet() {
  simulated_cluster out;
  out.model.seed = 3;
  out.model.link = {.latency = std::chrono::microseconds(200)};
  return out;
}

inline job brief_job(int steps) {
  job out = small_job(steps);
  out.model = sequential(flatten{}, dense{16}, relu{}, dense{10});
  out.augment = {};
  return out;
}

inline job with_islands(job j) {
  j.outer = {.islands = 2, .every = 2};
  return j;
}

// When anybody hears anything.
inline std::vector<std::chrono::nanoseconds>
moments_of(const wiring& w, simulated_cluster where, const run_options& options) {
  std::set<std::chrono::nanoseconds> out;
  where.on_message = [&](const heard_message& m) { out.insert(m.when); };
  play_on(where, w, options);
  return {out.begin(), out.end()};
}

} // namespace troupe::test
