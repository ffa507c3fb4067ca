#include "ops/reduction_tree.hpp"

#include "ops/assert.hpp"
#include "ops/flat.hpp"

#include <algorithm>
#include <bit>
#include <iterator>

namespace troupe {

std::pair<tree_span, tree_span> tree_children(std::uint32_t, tree_span span) {
  const std::uint32_t left = std::bit_ceil(span.count) / 2;
  return {{span.first, left}, {span.first + left, span.count - left}};
}

namespace {

bool contains(tree_span outer, tree_span inner) {
  return inner.first >= outer.first && inner.first + inner.count <= outer.first + outer.count;
}

void cover(std::uint32_t n, tree_span at, tree_span range, std::vector<tree_span>& out) {
  if (contains(range, at)) {
    out.push_back(at);
  } else if (at.first < range.first + range.count && range.first < at.first + at.count) {
    const auto [left, right] = tree_children(n, at);
    cover(n, left, range, out);
    cover(n, right, range, out);
  }
}

void split(std::uint32_t n, tree_span at, std::uint32_t count_max, std::vector<tree_span>& out) {
  if (at.count <= count_max) {
    out.push_back(at);
    return;
  }
  const auto [left, right] = tree_children(n, at);
  split(n, left, count_max, out);
  split(n, right, count_max, out);
}

} // namespace

std::vector<tree_span> tree_nodes(std::uint32_t n, std::uint32_t count_max) {
  std::vector<tree_span> out;
  split(n, {0, n}, count_max, out);
  return out;
}

std::vector<tree_span> tree_cover(std::uint32_t n, tree_span range) {
  std::vector<tree_span> out;
  if (range.count > 0) cover(n, {0, n}, range, out);
  return out;
}

std::vector<tree_span> tree_cover_below_root(std::uint32_t n, tree_span range) {
  auto out = tree_cover(n, range);
  if (n > 1 && out == std::vector{tree_span{0, n}}) {
    const auto [left, right] = tree_children(n, out.front());
    out = {left, right};
  }
  return out;
}

std::vector<tree_span> nodes_within(std::vector<tree_span> nodes, tree_span range) {
  std::erase_if(nodes, [&](const tree_span& node) {
    return node.first < range.first || node.first >= range.first + range.count;
  });
  return nodes;
}

// A left child is a power of two that its parent begins with; of a right one, the lowest bit of its
// first leaf is as many as the left one has.
std::optional<tree_span> tree_parent(std::uint32_t n, tree_span span) {
  const std::uint32_t end = span.first + span.count, whole = std::bit_ceil(span.count);
  TROUPE_ASSERT(span.count > 0 && end <= n && span.first % whole == 0 &&
                    (end == n || span.count == whole),
                "not a node of the reduction tree");
  if (span.count == n) return std::nullopt;
  if (end < n && span.first % (2 * whole) == 0)
    return tree_span{span.first, std::min(2 * whole, n - span.first)};
  const std::uint32_t left = span.first & (~span.first + 1);
  return tree_span{span.first - left, left + span.count};
}

bool tree_sum::seen(tree_span span) const {
  if (complete_) return true;
  const auto after = waiting_.upper_bound({span.first, ~std::uint32_t{0}}); // they are disjoint
  return after != waiting_.begin() && contains(std::prev(after)->first, span);
}

void tree_sum::clear() {
  waiting_.clear();
  complete_ = false;
}

std::int64_t tree_sum::additions_of(tree_span span) const {
  std::int64_t out = 0;
  for (bool more = !seen(span); more && span != root_; out += more ? 1 : 0) {
    const auto parent = *tree_parent(n_, span);
    const auto [left, right] = tree_children(n_, parent);
    more = waiting_.contains(span == left ? right : left);
    span = parent;
  }
  return out;
}

std::vector<tree_span> tree_sum::missing() const {
  std::vector<tree_span> out;
  if (complete_) return out;
  std::uint32_t next = root_.first;
  const auto until = [&](std::uint32_t end) {
    if (end > next) out.push_back({next, end - next});
  };
  for (const auto& [span, value] : waiting_) {
    until(span.first);
    next = span.first + span.count;
  }
  until(root_.first + root_.count);
  return out;
}

std::optional<tensor> tree_sum::add(tree_span span, tensor value) {
  TROUPE_ASSERT(contains(root_, span), "a contribution outside of the sum");
  if (seen(span)) return std::nullopt;
  while (span != root_) {
    const auto parent = *tree_parent(n_, span);
    const auto [left, right] = tree_children(n_, parent);
    const auto sibling = waiting_.find(span == left ? right : left);
    if (sibling == waiting_.end()) {
      waiting_.emplace(span, std::move(value));
      return std::nullopt;
    }
    value = span == left ? sum(value, sibling->second) : sum(sibling->second, value);
    waiting_.erase(sibling);
    span = parent;
  }
  complete_ = true;
  return value;
}

tensor sum(const tensor& left, const tensor& right) {
  TROUPE_ASSERT(left.dims() == right.dims(), "a sum of two shapes");
  if (left.is_zeros()) return right;
  if (right.is_zeros()) return left;
  auto out = buffer_pool::global().take(left.dims());
  flat_sum(left.values(), right.values(), out.values());
  return std::move(out).freeze();
}

} // namespace troupe
