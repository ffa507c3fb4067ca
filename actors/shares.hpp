// How a batch is shared by replicas of unequal speed. Who computes a microbatch decides no bit, so
// speeds may be measured by the clock.
#pragma once

#include "ops/reduction_tree.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace troupe {

// The run of microbatches that a replica computes in one step.
struct replica_share {
  std::uint32_t replica = 0;
  tree_span run;
  friend bool operator==(const replica_share&, const replica_share&) = default;
};

// "6:2"; "4:4, replica 2 as replica 1" where a backup computes what another does.
std::string text(const std::vector<replica_share>& shares);

// The largest of count * seconds: how long the replicas take for so many units each.
double slowest_of(const std::vector<std::uint32_t>& counts, const std::vector<double>& seconds);

// How many of `units` equal pieces of work each replica gets, so that the last one ends as early as
// possible: at least one each, so that a slow one is measured again and gets more when it recovers.
// `seconds`: what a unit takes, by replica. REQUIRES: as many units as replicas, seconds above 0.
std::vector<std::uint32_t> shares_of(const std::vector<double>& seconds, std::uint32_t units);

} // namespace troupe
