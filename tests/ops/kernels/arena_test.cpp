#include "ops/kernels/arena.hpp"

#include "ops/random.hpp"

#include <doctest/doctest.h>

#include <cstdint>

using namespace troupe;
using namespace troupe::kernels;

TEST_CASE("values that live at the same time never overlap in the arena") {
  random_stream random(random_key{11});
  for (int round = 0; round < 50; ++round) {
    std::vector<lifetime> values;
    for (int i = 0; i < 40; ++i) {
      const int first = static_cast<int>(random.below(30));
      values.push_back({random.below(5000), first, first + static_cast<int>(random.below(10))});
    }
    const std::size_t total = plan_arena(values);
    for (std::size_t i = 0; i < values.size(); ++i) {
      CHECK(values[i].offset % 64 == 0);
      CHECK(values[i].offset + values[i].bytes <= total);
      for (std::size_t j = 0; j < i; ++j) {
        const lifetime &a = values[i], &b = values[j];
        const bool together = a.first <= b.last && b.first <= a.last;
        const bool overlap = a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes;
        CHECK(!(together && overlap && a.bytes > 0 && b.bytes > 0));
      }
    }
  }
}

TEST_CASE("a chain of values needs the memory of its two largest neighbours") {
  std::vector<lifetime> chain{{1024, 0, 1}, {2048, 1, 2}, {1024, 2, 3}, {64, 3, 4}};
  CHECK(plan_arena(chain) == 3072);
}

TEST_CASE("aligned buffers are zeroed and aligned to their pages") {
  const aligned_buffer large(std::size_t{3} << 20);
  CHECK(reinterpret_cast<std::uintptr_t>(large.data()) % (std::size_t{2} << 20) == 0);
  CHECK(large.data()[12345] == std::byte{0});
}
