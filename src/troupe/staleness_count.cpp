#include "troupe/staleness_count.hpp"

#include <algorithm>

namespace troupe {

void staleness_count::add(std::uint64_t staleness, std::uint64_t clocks_ahead) {
  const auto place = std::min<std::size_t>(staleness, updates_max - 1);
  updates.resize(std::max(updates.size(), place + 1));
  ++updates[place];
  ++count;
  sum += staleness;
  most = std::max(most, staleness);
  lead = std::max(lead, clocks_ahead);
}

double staleness_count::mean() const {
  return empty() ? 0 : static_cast<double>(sum) / static_cast<double>(count);
}

} // namespace troupe
