#include "actors/credit_ledger.hpp"

namespace troupe {

void credit_ledger::note(context& world, const protocol::credit_used& use) {
  const auto [found, first] = most_.try_emplace({use.kind, use.from, use.to, use.bound}, use.used);
  if (!first && use.used <= found->second) return;
  found->second = use.used;
  world.send({.role = role_kind::recorder}, use);
}

std::uint64_t credit_ledger::most(credit_kind kind,
                                  const address& from,
                                  const address& to,
                                  std::uint64_t bound) const {
  const auto found = most_.find({kind, from, to, bound});
  return found == most_.end() ? 0 : found->second;
}

} // namespace troupe
