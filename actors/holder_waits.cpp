// What a parameter holder waits for.
#include "actors/parameter_holder.hpp"

#include <algorithm>

namespace troupe {

std::vector<wait> parameter_holder::waits() const {
  std::vector<wait> out;
  if (copies_.recovering()) {
    for (const address& copy : options_.copies)
      if (copy != world_.self() && (copies_.is_head() || copy == options_.copies.front()))
        out.push_back({.what = wait_kind::copy, .from = copy});
    return out;
  }
  if (!copies_.is_head()) return out;
  for (const address& copy : copies_.behind())
    out.push_back({.what = wait_kind::log, .from = copy});
  for (const auto& [index, block] : blocks_)
    add_wait(out, index, block);
  return out;
}

void parameter_holder::add_wait(std::vector<wait>& out,
                                int index,
                                const holder_block& block) const {
  const auto total = static_cast<std::uint64_t>(options_.total_steps);
  wait w{.what = wait_kind::sum, .block = index, .blocks = 1, .island = options_.island};
  if (block.awaits_outer()) {
    w.what = wait_kind::outer_parameters;
    w.step = block.version;
  } else if (block.update) {
    w.what = wait_kind::computation;
    w.from = world_.self();
    w.step = block.updating.step;
  } else if (options_.order.as_they_come()) {
    w.what = wait_kind::update;
    w.step = block.clocks.oldest();
  } else {
    w.step = next_step(block);
  }
  if (total == 0 || w.step < total) out.push_back(w);
}

} // namespace troupe
