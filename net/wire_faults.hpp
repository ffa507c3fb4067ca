// What is made to go wrong with the frames of one node: links that are cut, one direction at a
// time, and frames that are lost or damaged. What a real network does to a link, done on purpose;
// the link deals with it as it always does. Any thread.
#pragma once

#include "net/frame.hpp"

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>

namespace troupe::net {

class wire_faults {
public:
  enum class fate { arrives, is_lost, is_damaged };

  void cut_to(std::uint32_t node, bool cut); // what is said to it is lost, until it is healed
  void cut_from(std::uint32_t node, bool cut);
  void drop(std::uint32_t node, int parcels); // of the next that are sent to it
  void damage(std::uint32_t node, int parcels);

  // Of one that is about to be sent. While nothing was ever injected that reads one flag.
  fate of(const frame& f) {
    return in_use_.load(std::memory_order_relaxed) ? decide(f) : fate::arrives;
  }

  [[nodiscard]] bool hears(const frame& f) const {
    return !in_use_.load(std::memory_order_relaxed) || !is_cut_from(f.from.node);
  }

private:
  fate decide(const frame& f);
  [[nodiscard]] bool is_cut_from(std::uint32_t node) const;

  std::atomic<bool> in_use_{false};
  mutable std::mutex mutex_;
  std::set<std::uint32_t> cut_to_, cut_from_;
  std::map<std::uint32_t, int> to_drop_, to_damage_;
};

} // namespace troupe::net
