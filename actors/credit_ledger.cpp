#include "actors/credit_ledger.hpp"

#include <algorithm>
#include <tuple>

namespace troupe {

namespace {

auto edge_of(const protocol::credit_used& use) {
  return std::tie(use.kind, use.from, use.to, use.bound);
}

} // namespace

void credit_ledger::note(context& world, const protocol::credit_used& use) {
  const auto found = std::find_if(
      most_.begin(), most_.end(), [&](const auto& m) { return edge_of(m) == edge_of(use); });
  if (found == most_.end())
    most_.push_back(use);
  else if (use.used > found->used)
    found->used = use.used;
  else
    return;
  world.send({.role = role_kind::recorder}, use);
}

std::uint64_t credit_ledger::most(credit_kind kind,
                                  const address& from,
                                  const address& to,
                                  std::uint64_t bound) const {
  for (const auto& m : most_)
    if (edge_of(m) == std::tie(kind, from, to, bound)) return m.used;
  return 0;
}

} // namespace troupe
