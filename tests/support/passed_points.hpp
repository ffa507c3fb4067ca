// The fault points that the actors of a drawn world pass: where they can be killed.
#pragma once

#include "support/world_checks.hpp"

#include <cstddef>
#include <variant>
#include <vector>

namespace troupe::test {

// Those that are passed until the job ends, and the places in them at which steps were committed.
struct passed_points {
  std::vector<fault_point> all;
  std::vector<std::size_t> commits;
};

inline passed_points points_of(const drawn_world& d) {
  passed_points out;
  auto where = d.disturbed();
  where.on_point = [&](const fault_point& p) { out.all.push_back(p); };
  const scratch_folder saved;
  auto how = d.run_with(saved.path());
  how.observer = [&](const run_event& e) {
    if (std::holds_alternative<step_event>(e)) out.commits.push_back(out.all.size());
  };
  try {
    where.start(d.wired(), how).wait();
  } catch (const error&) { // all copies of something are lost
  }
  return out;
}

} // namespace troupe::test
