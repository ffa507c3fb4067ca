// What will happen in a simulated world, by virtual time. What happens at the same instant happens
// in an order that the seed draws.
#pragma once

#include "actors/runtime/simulation/action.hpp"
#include "actors/runtime/simulation/slots.hpp"
#include "ops/random.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace troupe::simulation {

using duration = std::chrono::nanoseconds;
using instant = std::chrono::nanoseconds; // since the world began

// What the seed is drawn from for: each has a stream of its own.
enum class draw : std::uint64_t { ties, jitter, loss, duplicates, exploring, failures };

random_stream stream_of(std::uint64_t seed, draw what);

struct alignas(64) event { // one line of the cache
  static constexpr duration not_computed{-1};
  static constexpr std::uint32_t none = ~std::uint32_t{0};

  instant when{0};
  action happen;
  // Of a computation: how long the node had been paused in all when it was planned. Pauses since
  // then make it later.
  duration paused = not_computed;
  int node = -1;               // that it happens on, and not while it is paused; -1: nowhere
  std::uint32_t letter = none; // that will be heard
};

static_assert(sizeof(event) == 64);

class event_queue {
public:
  explicit event_queue(std::uint64_t seed) : ties_(stream_of(seed, draw::ties)) {}

  void push(event e); // not before now()
  // Before what else happens at that instant, in the order of pushing. Nothing is drawn for it.
  void push_first(event e);
  event pop(); // the next one; it is that time then. REQUIRES: not empty

  // What will be popped after so many others if nothing is pushed; null: nothing, or not known yet.
  [[nodiscard]] const event* upcoming(std::size_t after) const {
    return after < soon_count_ ? &events_[soon_at(after).place] : nullptr;
  }

  void clear();

  [[nodiscard]] bool empty() const { return soon_count_ == 0; }

  [[nodiscard]] instant now() const { return now_; }

private:
  // What is sorted; events stay where they are.
  struct entry {
    std::uint64_t when = 0;  // nanoseconds
    std::uint64_t order = 0; // among those of one instant: what was drawn, then in order of pushing
    std::uint32_t place = 0; // in events_
  };

  static bool earlier(const entry& a,
                      const entry& b) { // without a branch that could be mispredicted
    const auto key = [](const entry& e) {
      return static_cast<unsigned __int128>(e.when) << 64U | e.order;
    };
    return key(a) < key(b);
  }

  static constexpr std::size_t soon_max = 32;

  entry& soon_at(std::size_t i) { return soon_[(soon_first_ + i) % soon_max]; }

  [[nodiscard]] const entry& soon_at(std::size_t i) const {
    return soon_[(soon_first_ + i) % soon_max];
  }

  void push(event e, std::uint32_t tie);
  void push_soon(const entry& added);
  void push_heap(const entry& added);
  entry pop_heap();

  random_stream ties_;
  std::uint32_t pushed_ = 0;
  instant now_{0};
  // The first ones, sorted: a ring. None of the heap is earlier; the heap is empty where this is
  // not full. So it is known in time which lines of memory will be needed.
  std::array<entry, soon_max> soon_;
  std::size_t soon_first_ = 0, soon_count_ = 0;
  std::vector<entry> heap_; // the children of i are 4 i + 1 to 4 i + 4, none is earlier than i
  slots<event> events_;
};

} // namespace troupe::simulation
