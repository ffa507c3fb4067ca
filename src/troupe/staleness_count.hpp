// How stale the updates of an asynchronous run were.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace troupe {

struct staleness_count {
  static constexpr std::size_t updates_max = 64;

  // By staleness, the number of updates that one did not see; the last of `updates_max` counts
  // what is staler, too.
  std::vector<std::int64_t> updates;
  std::int64_t count = 0;
  std::uint64_t sum = 0, most = 0; // of the staleness of all updates
  std::uint64_t lead = 0;          // the most clocks that a worker was ahead of the slowest

  void add(std::uint64_t staleness, std::uint64_t clocks_ahead);
  [[nodiscard]] double mean() const; // 0 when empty

  [[nodiscard]] bool empty() const { return count == 0; }
};

} // namespace troupe
