#include "actors/runtime/simulation/event_queue.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

using namespace troupe;
using namespace troupe::simulation;

namespace {

// Pushes and pops at random, most of them at few instants.
std::vector<int> order_of(std::uint64_t seed) {
  random_stream draw({.seed = 3});
  event_queue queue(seed);
  std::vector<int> out;
  int pushed = 0;
  const auto pop = [&] {
    const auto before = queue.now();
    queue.pop().happen();
    CHECK(queue.now() >= before);
  };
  while (pushed < 3000) {
    for (auto i = draw.below(100); i > 0; --i) {
      const auto when = queue.now() + instant(10 * draw.below(4));
      queue.push({.when = when, .happen = [&out, when, &queue, number = pushed++] {
                    CHECK(queue.now() == when);
                    out.push_back(number);
                  }});
    }
    for (auto i = draw.below(100); i > 0 && !queue.empty(); --i)
      pop();
  }
  while (!queue.empty())
    pop();
  return out;
}

} // namespace

TEST_CASE("every event happens once, at its time, and in an order that the seed decides") {
  const auto once = order_of(1);
  auto all = once;
  std::sort(all.begin(), all.end());
  for (std::size_t i = 0; i < all.size(); ++i)
    REQUIRE(all[i] == static_cast<int>(i));
  CHECK(once == order_of(1));
  CHECK(once != order_of(2));
}

TEST_CASE("what is upcoming is what is popped if nothing comes in between") {
  event_queue queue(1);
  for (int i = 0; i < 100; ++i)
    queue.push({.when = instant(i % 7), .happen = [] {}, .node = i});
  for (std::size_t left = 100; left > 5; --left) {
    const auto* then = queue.upcoming(5);
    REQUIRE(then != nullptr);
    const int expected = queue.upcoming(0)->node;
    CHECK(then->when >= queue.upcoming(0)->when);
    CHECK(queue.pop().node == expected);
  }
  CHECK(queue.upcoming(5) == nullptr);
}
