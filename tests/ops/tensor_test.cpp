#include "ops/tensor.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <optional>
#include <thread>
#include <vector>

using namespace troupe;

namespace {

bool aligned(const float* data) {
  return reinterpret_cast<std::uintptr_t>(data) % 64 == 0;
}

} // namespace

TEST_CASE("a shape knows its elements, its text and itself with a batch axis") {
  const shape image{3, 28, 14};
  CHECK(image.rank() == 3);
  CHECK(image.elements() == 3 * 28 * 14);
  CHECK(image.text() == "[3, 28, 14]");
  CHECK(image.with_batch(8) == shape{8, 3, 28, 14});
  CHECK(image != shape{3, 14, 28});
  CHECK(shape{}.elements() == 1);
  CHECK(shape{}.text() == "[]");
}

TEST_CASE("a pool that has seen every size of a step allocates no more") {
  buffer_pool pool;
  const auto step = [&] {
    auto a = pool.take({4, 5});
    auto b = pool.take({4, 5});
    auto c = pool.take({7});
    const tensor kept = std::move(a).freeze();
    const tensor copy = kept;
  };
  step();
  CHECK(pool.allocations() == 3);
  for (int i = 0; i < 10; ++i)
    step();
  CHECK(pool.allocations() == 3);
  auto other_shape_same_size = pool.take({20});
  CHECK(pool.allocations() == 3);
  auto new_size = pool.take({21});
  CHECK(pool.allocations() == 4);
}

TEST_CASE("a buffer is not handed out again while a handle to it lives") {
  buffer_pool pool;
  auto writer = pool.take({2});
  writer.values()[0] = 1.0F;
  writer.values()[1] = 2.0F;
  std::optional<tensor> first = std::move(writer).freeze();
  std::optional<tensor> second = first;
  const float* data = first->data();
  first.reset();
  auto other = pool.take({2});
  CHECK(other.data() != data);
  CHECK(second->values()[1] == 2.0F);
  second.reset();
  CHECK(pool.take({2}).data() == data);
}

TEST_CASE("every buffer starts at a multiple of 64 bytes") {
  buffer_pool pool;
  std::vector<mutable_tensor> held;
  for (const std::int64_t n : {0, 1, 3, 15, 17, 1000, 524'287, 524'288, 600'001}) {
    CAPTURE(n);
    held.push_back(pool.take({n}));
    CHECK(aligned(held.back().data()));
    for (float& value : held.back().values())
      value = 1.0F;
  }
}

TEST_CASE("handles outlive the pool") {
  std::optional<buffer_pool> pool;
  pool.emplace();
  auto writer = pool->take({3});
  for (float& value : writer.values())
    value = 4.0F;
  const tensor kept = std::move(writer).freeze();
  auto unfinished = pool->take({3});
  pool.reset();
  unfinished.values()[2] = 5.0F;
  CHECK(kept.values()[2] == 4.0F);
  CHECK(std::move(unfinished).freeze().values()[2] == 5.0F);
}

TEST_CASE("a reshaped tensor shares the data and keeps it alive") {
  std::vector<float> numbers(12);
  for (std::size_t i = 0; i < numbers.size(); ++i)
    numbers[i] = static_cast<float>(i);
  std::optional<tensor> flat = make_tensor({12}, numbers);
  const tensor table = flat->reshaped({3, 4});
  CHECK(table.data() == flat->data());
  CHECK(table.dims() == shape{3, 4});
  CHECK(flat->dims() == shape{12});
  CHECK(table.bytes() == 48);
  flat.reset();
  CHECK(table.values()[11] == 11.0F);
}

TEST_CASE("an empty handle has no data, and freezing or moving leaves one behind") {
  CHECK_FALSE(tensor{});
  CHECK(tensor{}.elements() == 0);
  CHECK(tensor{}.data() == nullptr);
  buffer_pool pool;
  auto writer = pool.take({2});
  tensor frozen = std::move(writer).freeze();
  CHECK_FALSE(writer); // NOLINT(bugprone-use-after-move)
  const tensor moved = std::move(frozen);
  CHECK_FALSE(frozen); // NOLINT(bugprone-use-after-move)
  CHECK(moved);
}

TEST_CASE("two threads may take from and give back to one pool") {
  buffer_pool pool;
  const auto work = [&](float mine, bool& intact) {
    for (int i = 0; i < 2000; ++i) {
      auto t = pool.take({16});
      for (float& value : t.values())
        value = mine;
      const tensor kept = std::move(t).freeze();
      for (const float value : kept.values())
        intact = intact && value == mine;
    }
  };
  bool left = true, right = true;
  std::thread other([&] { work(1.0F, left); });
  work(2.0F, right);
  other.join();
  CHECK(left);
  CHECK(right);
  CHECK(pool.allocations() <= 2);
}
