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
  push(std::move(e), ties_.next());
}

void event_queue::push_first(event e) {
  push(std::move(e), 0);
}

void event_queue::push(event e, std::uint32_t tie) {
  e.when = std::max(e.when, now_);
  const auto when = static_cast<std::uint64_t>(e.when.count());
  const entry added{when, std::uint64_t{tie} << 32U | pushed_++, events_.add(std::move(e))};
  if (soon_count_ < soon_max) return push_soon(added);
  const entry& last = soon_at(soon_max - 1);
  if (!earlier(added, last)) return push_heap(added);
  push_heap(last);
  --soon_count_;
  push_soon(added);
}

void event_queue::push_soon(const entry& added) {
  std::size_t at = soon_count_++;
  for (; at > 0 && earlier(added, soon_at(at - 1)); --at)
    soon_at(at) = soon_at(at - 1);
  soon_at(at) = added;
}

void event_queue::push_heap(const entry& added) {
  std::size_t at = heap_.size();
  heap_.push_back(added);
  for (; at > 0 && earlier(added, heap_[(at - 1) / 4]); at = (at - 1) / 4)
    heap_[at] = heap_[(at - 1) / 4];
  heap_[at] = added;
}

event_queue::entry event_queue::pop_heap() {
  const entry first = heap_.front(), last = heap_.back();
  heap_.pop_back();
  std::size_t at = 0;
  for (const std::size_t size = heap_.size(); 4 * at + 1 < size;) {
    std::size_t child = 4 * at + 1;
    const std::size_t end = std::min(child + 4, size);
    for (std::size_t other = child + 1; other < end; ++other)
      child = earlier(heap_[other], heap_[child]) ? other : child;
    if (!earlier(heap_[child], last)) break;
    heap_[at] = heap_[child];
    at = child;
  }
  if (!heap_.empty()) heap_[at] = last;
  return first;
}

event event_queue::pop() {
  TROUPE_ASSERT(!empty(), "an event to come");
  const entry first = soon_at(0);
  ++soon_first_;
  --soon_count_;
  if (!heap_.empty()) {
    const entry next = pop_heap();
    __builtin_prefetch(&events_[next.place]);
    soon_at(soon_count_++) = next;
  }
  now_ = instant(first.when);
  events_.remove(first.place);
  return std::move(events_[first.place]);
}

void event_queue::clear() {
  soon_count_ = 0;
  heap_.clear();
  events_.clear();
}

} // namespace troupe::simulation
