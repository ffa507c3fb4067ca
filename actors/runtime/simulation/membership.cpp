#include "actors/runtime/simulation/membership.hpp"

#include "ops/assert.hpp"

#include <algorithm>
#include <map>
#include <variant>

namespace troupe::simulation {

std::set<int> absent_at_first(const std::vector<timed_fault>& faults) {
  std::set<int> seen, out;
  for (const auto& f : faults) {
    if (const auto* leaves = std::get_if<leave_fault>(&f.what)) seen.insert(leaves->node);
    const auto* joins = std::get_if<join_fault>(&f.what);
    if (joins != nullptr && seen.insert(joins->node).second) out.insert(joins->node);
  }
  return out;
}

int place_of(const seat& s, const std::vector<seat*>& all, const std::set<int>& absent) {
  if (!absent.contains(s.home)) return s.home;
  if (!absent.contains(s.node)) return s.node;
  std::map<int, int> actors; // on the nodes that are there
  for (const seat* other : all) {
    if (!absent.contains(other->home)) actors.try_emplace(other->home, 0);
    if (other != &s && !absent.contains(other->node)) ++actors[other->node];
  }
  const auto fewest =
      std::min_element(actors.begin(), actors.end(), [](const auto& a, const auto& b) {
        return a.second < b.second;
      });
  TROUPE_ASSERT(fewest != actors.end(), "a node that is there");
  return fewest->first;
}

} // namespace troupe::simulation
