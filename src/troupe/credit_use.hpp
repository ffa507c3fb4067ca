// How much of an edge's credit a run used, told by who holds the credit.
#pragma once

#include "actors/credit.hpp"
#include "actors/protocol/credit.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace troupe {

struct credit_use {
  credit_kind kind = credit_kind::prefetch;
  address from, to;
  std::uint64_t bound = no_bound; // that was in force
  std::uint64_t used = 0;         // the most under it

  [[nodiscard]] bool kept() const { return used <= bound; }

  friend bool operator==(const credit_use&, const credit_use&) = default;
};

// Keeps `all` in order: by kind, edge and bound.
void add(std::vector<credit_use>& all, const protocol::credit_used& told);

// A line for each, aligned.
std::string table(const std::vector<credit_use>& all);

} // namespace troupe
