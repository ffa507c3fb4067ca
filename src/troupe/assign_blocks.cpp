#include "ops/assert.hpp"
#include "troupe/casting.hpp"

#include <algorithm>
#include <cstddef>
#include <numeric>

namespace troupe {

std::vector<int> assign_blocks(const parameter_layout& layout,
                               const std::vector<wired_role>& holders,
                               const std::vector<int>& part_of_block) {
  std::vector<std::size_t> order(layout.blocks.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return layout.blocks[a].size > layout.blocks[b].size;
  });
  std::vector<std::int64_t> load(holders.size(), 0);
  std::vector<int> out(layout.blocks.size(), -1);
  const auto may = [&](const wired_role& h, std::size_t block) {
    return h.parts.empty() ||
           std::find(h.parts.begin(), h.parts.end(), part_of_block[block]) != h.parts.end();
  };
  for (const auto block : order) {
    for (std::size_t h = 0; h < holders.size(); ++h)
      if (may(holders[h], block) &&
          (out[block] < 0 || load[h] < load[static_cast<std::size_t>(out[block])]))
        out[block] = static_cast<int>(h);
    TROUPE_ASSERT(out[block] >= 0, "somebody holds each block");
    load[static_cast<std::size_t>(out[block])] += layout.blocks[block].size;
  }
  return out;
}

} // namespace troupe
