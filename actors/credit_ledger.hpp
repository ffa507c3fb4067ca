// What one actor has used of the credit that it holds. It tells the recorder when it uses more than
// ever, so a step in which nothing new happens says nothing.
#pragma once

#include "actors/credit.hpp"
#include "actors/runtime/context.hpp"

#include <cstdint>
#include <vector>

namespace troupe {

class credit_ledger {
public:
  void note(context& world, const protocol::credit_used& use);
  // The most that was noted; 0: nothing.
  [[nodiscard]] std::uint64_t
  most(credit_kind kind, const address& from, const address& to, std::uint64_t bound) const;

private:
  std::vector<protocol::credit_used> most_; // of each edge and bound
};

} // namespace troupe
