#include "actors/runtime/simulation/event_queue.hpp"

#include "ops/assert.hpp"

#include <algorithm>
#include <utility>

namespace troupe::simulation {

random_stream stream_of(std::uint64_t seed, draw what) {
  return random_stream(
      {.seed = seed, .purpose = random_purpose::simulation, .a = static_cast<std::uint64_t>(what)});
}

void event_queue::push(event e) {
  e.when = std::max(e.when, now_);
  entry added{e.when, pushed_++, e.first ? 0 : ties_.next(), 0};
  if (free_.empty()) {
    added.place = static_cast<std::uint32_t>(events_.size());
    events_.push_back(std::move(e));
  } else {
    added.place = free_.back();
    free_.pop_back();
    events_[added.place] = std::move(e);
  }
  std::size_t at = heap_.size();
  heap_.push_back(added);
  for (; at > 0 && earlier(added, heap_[(at - 1) / 4]); at = (at - 1) / 4)
    heap_[at] = heap_[(at - 1) / 4];
  heap_[at] = added;
}

event event_queue::pop() {
  TROUPE_ASSERT(!heap_.empty(), "an event to come");
  const entry first = heap_.front(), last = heap_.back();
  heap_.pop_back();
  std::size_t at = 0;
  for (const std::size_t size = heap_.size(); 4 * at + 1 < size;) {
    std::size_t child = 4 * at + 1;
    const std::size_t end = std::min(child + 4, size);
    for (std::size_t other = child + 1; other < end; ++other)
      if (earlier(heap_[other], heap_[child])) child = other;
    if (!earlier(heap_[child], last)) break;
    heap_[at] = heap_[child];
    at = child;
  }
  if (!heap_.empty()) heap_[at] = last;
  free_.push_back(first.place);
  now_ = first.when;
  return std::move(events_[first.place]);
}

void event_queue::clear() {
  heap_.clear();
  events_.clear();
  free_.clear();
}

} // namespace troupe::simulation
