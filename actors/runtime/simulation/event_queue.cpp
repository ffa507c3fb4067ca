#include "actors/runtime/simulation/event_queue.hpp"

#include "ops/assert.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

namespace troupe::simulation {

random_stream stream_of(std::uint64_t seed, draw what) {
  return random_stream(
      {.seed = seed, .purpose = random_purpose::simulation, .a = static_cast<std::uint64_t>(what)});
}

bool event_queue::later(const entry& a, const entry& b) {
  return std::tie(a.content.when, a.tie, a.number) > std::tie(b.content.when, b.tie, b.number);
}

void event_queue::push(event e) {
  e.when = std::max(e.when, now_);
  heap_.push_back({std::move(e), ties_.next(), pushed_++});
  std::push_heap(heap_.begin(), heap_.end(), later);
}

event event_queue::pop() {
  TROUPE_ASSERT(!heap_.empty(), "an event to come");
  std::pop_heap(heap_.begin(), heap_.end(), later);
  event out = std::move(heap_.back().content);
  heap_.pop_back();
  now_ = out.when;
  return out;
}

} // namespace troupe::simulation
