// What will happen in a simulated world, by virtual time. What happens at the same instant happens
// in an order that the seed draws.
#pragma once

#include "actors/runtime/simulation/action.hpp"
#include "ops/random.hpp"

#include <chrono>
#include <cstdint>
#include <deque>
#include <vector>

namespace troupe::simulation {

using duration = std::chrono::nanoseconds;
using instant = std::chrono::nanoseconds; // since the world began

// What the seed is drawn from for: each has a stream of its own.
enum class draw : std::uint64_t { ties, jitter, loss, duplicates, exploring, failures };

random_stream stream_of(std::uint64_t seed, draw what);

struct event {
  instant when{0};
  action happen;
  int node = -1; // that it happens on, and not while it is paused; -1: nowhere
  // Of a computation: how long the node had been paused in all when it was planned. Pauses since
  // then make it later.
  bool computed = false;
  // Before what else happens at that instant, in the order of pushing. Nothing is drawn for it.
  bool first = false;
  duration paused{0};
};

class event_queue {
public:
  explicit event_queue(std::uint64_t seed) : ties_(stream_of(seed, draw::ties)) {}

  void push(event e); // not before now()
  event pop();        // the next one; it is that time then. REQUIRES: not empty

  void clear();

  [[nodiscard]] bool empty() const { return heap_.empty(); }

  [[nodiscard]] instant now() const { return now_; }

private:
  // The heap moves these alone.
  struct entry {
    instant when{0};
    std::uint64_t number = 0;
    std::uint32_t tie = 0;
    std::uint32_t place = 0; // in events_
  };

  static bool earlier(const entry& a, const entry& b) {
    if (a.when != b.when) return a.when < b.when;
    return a.tie != b.tie ? a.tie < b.tie : a.number < b.number;
  }

  random_stream ties_;
  std::uint64_t pushed_ = 0;
  instant now_{0};
  std::vector<entry> heap_; // the children of i are 4 i + 1 to 4 i + 4, none is earlier than i
  std::deque<event> events_;
  std::vector<std::uint32_t> free_; // places in it
};

} // namespace troupe::simulation
