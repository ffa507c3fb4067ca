#include "ops/reduction_tree.hpp"

#include "ops/random.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

using namespace troupe;

namespace {

constexpr std::int64_t elements = 5;

// Gradients of very different sizes: any other order of additions gives other bits.
std::vector<tensor> gradients(std::uint32_t n) {
  std::vector<tensor> out;
  for (std::uint32_t i = 0; i < n; ++i) {
    random_stream draw({.seed = 21, .a = n, .b = i});
    std::vector<float> values(elements);
    for (float& value : values)
      value = draw.normal() * std::pow(10.0F, draw.uniform(-3.0F, 3.0F));
    out.push_back(make_tensor({elements}, values));
  }
  return out;
}

// The definition in the header, written down once more.
tensor sum_of_node(const std::vector<tensor>& leaves, std::uint32_t first, std::uint32_t count) {
  if (count == 1) return leaves[first];
  std::uint32_t left = 1;
  while (left * 2 < count)
    left *= 2;
  const tensor a = sum_of_node(leaves, first, left);
  const tensor b = sum_of_node(leaves, first + left, count - left);
  std::vector<float> values(elements);
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = a.values()[i] + b.values()[i];
  return make_tensor({elements}, values);
}

bool same_bits(const tensor& a, const tensor& b) {
  return a.bytes() == b.bytes() && std::memcmp(a.data(), b.data(), a.bytes()) == 0;
}

// Bit i of `cuts` ends a run after leaf i.
std::vector<tree_span> runs(std::uint32_t n, std::uint32_t cuts) {
  std::vector<tree_span> out{{0, 0}};
  for (std::uint32_t i = 0; i < n; ++i) {
    ++out.back().count;
    if ((cuts >> i & 1U) != 0 && i + 1 < n) out.push_back({i + 1, 0});
  }
  return out;
}

template <class Item>
void shuffle(std::vector<Item>& items, random_stream& draw) {
  for (auto i = static_cast<std::uint32_t>(items.size()); i > 1; --i)
    std::swap(items[i - 1], items[draw.below(i)]);
}

void check_nodes(std::uint32_t n, tree_span at) {
  if (at.count == 1) return;
  const auto [left, right] = tree_children(n, at);
  CHECK(left.first == at.first);
  CHECK(right.first == left.first + left.count);
  CHECK(left.count + right.count == at.count);
  CHECK(tree_parent(n, left) == at);
  CHECK(tree_parent(n, right) == at);
  check_nodes(n, left);
  check_nodes(n, right);
}

} // namespace

TEST_CASE("every split into runs, arrival order and duplicate gives the same bits") {
  for (std::uint32_t n = 1; n <= 9; ++n) {
    const auto leaves = gradients(n);
    const tensor expected = sum_of_node(leaves, 0, n);
    for (std::uint32_t cuts = 0; cuts < 1U << (n - 1); ++cuts) {
      std::vector<tree_span> spans;
      for (const tree_span run : runs(n, cuts))
        for (const tree_span node : tree_cover(n, run))
          spans.push_back(node);
      random_stream draw({.seed = 22, .a = n, .b = cuts});
      for (int order = 0; order < 3; ++order) {
        CAPTURE(n);
        CAPTURE(cuts);
        CAPTURE(order);
        auto arrivals = spans;
        arrivals.insert(arrivals.end(), spans.begin(), spans.end());
        shuffle(arrivals, draw);
        tree_sum total(n, {0, n});
        std::optional<tensor> result;
        int completed = 0;
        for (const tree_span span : arrivals)
          if (auto done = total.add(span, sum_of_node(leaves, span.first, span.count))) {
            result = std::move(done);
            ++completed;
          }
        REQUIRE(completed == 1);
        REQUIRE(same_bits(*result, expected));
      }
    }
  }
}

TEST_CASE("a sum over a node that is not the root completes with that node") {
  const auto leaves = gradients(6);
  tree_sum part(6, {0, 4});
  CHECK_FALSE(part.add({3, 1}, leaves[3]));
  CHECK_FALSE(part.add({0, 2}, sum_of_node(leaves, 0, 2)));
  const auto done = part.add({2, 1}, leaves[2]);
  REQUIRE(done);
  CHECK(same_bits(*done, sum_of_node(leaves, 0, 4)));
}

TEST_CASE("a leaf of a sum that was seen is dropped, and a cleared sum has seen nothing") {
  const auto leaves = gradients(4);
  tree_sum total(4, {0, 4});
  CHECK_FALSE(total.seen({0, 1}));
  CHECK_FALSE(total.add({0, 2}, sum_of_node(leaves, 0, 2)));
  CHECK(total.seen({0, 2}));
  CHECK(total.seen({1, 1}));
  CHECK_FALSE(total.seen({2, 1}));
  CHECK_FALSE(total.add({1, 1}, leaves[1]));
  CHECK(total.add({2, 2}, sum_of_node(leaves, 2, 2)));
  CHECK_FALSE(total.add({3, 1}, leaves[3]));
  CHECK(total.seen({3, 1}));
  total.clear();
  CHECK_FALSE(total.seen({3, 1}));
}

TEST_CASE("parents and children agree, and the largest power of two comes first") {
  for (std::uint32_t n = 1; n <= 70; ++n) {
    CAPTURE(n);
    CHECK_FALSE(tree_parent(n, {0, n}));
    check_nodes(n, {0, n});
  }
  CHECK(tree_children(5, {0, 5}) == std::pair(tree_span{0, 4}, tree_span{4, 1}));
  CHECK(tree_children(5, {0, 4}) == std::pair(tree_span{0, 2}, tree_span{2, 2}));
}

TEST_CASE("a cover is the fewest nodes that make up the range, in order") {
  using spans = std::vector<tree_span>;
  CHECK(tree_cover(8, {0, 8}) == spans{{0, 8}});
  CHECK(tree_cover(8, {1, 6}) == spans{{1, 1}, {2, 2}, {4, 2}, {6, 1}});
  CHECK(tree_cover(5, {4, 1}) == spans{{4, 1}});
  CHECK(tree_cover(6, {4, 2}) == spans{{4, 2}});
  CHECK(tree_cover(7, {0, 5}) == spans{{0, 4}, {4, 1}});
  CHECK(tree_cover(7, {3, 0}).empty());
  CHECK(tree_cover_below_root(8, {0, 8}) == spans{{0, 4}, {4, 4}});
  CHECK(tree_cover_below_root(8, {0, 4}) == spans{{0, 4}});
  CHECK(tree_cover_below_root(1, {0, 1}) == spans{{0, 1}});
}
