// What one actor has used of the credit that it holds. It tells the recorder when it uses more than
// ever, so a step in which nothing new happens says nothing.
#pragma once

#include "actors/credit.hpp"
#include "actors/runtime/context.hpp"

#include <cstdint>
#include <map>
#include <tuple>

namespace troupe {

class credit_ledger {
public:
  void note(context& world, const protocol::credit_used& use);
  // The most that was noted; 0: nothing.
  [[nodiscard]] std::uint64_t
  most(credit_kind kind, const address& from, const address& to, std::uint64_t bound) const;

private:
  using edge = std::tuple<credit_kind, address, address, std::uint64_t>; // and bound
  std::map<edge, std::uint64_t> most_;
};

} // namespace troupe
