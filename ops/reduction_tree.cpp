#include "ops/reduction_tree.hpp"

#include "ops/assert.hpp"
#include "ops/flat.hpp"

#include <bit>

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

std::optional<tree_span> tree_parent(std::uint32_t n, tree_span span) {
  tree_span at{0, n};
  while (at != span) {
    const auto [left, right] = tree_children(n, at);
    if (left == span || right == span) return at;
    at = contains(left, span) ? left : right;
    TROUPE_ASSERT(contains(at, span) && at.count > 1, "not a node of the reduction tree");
  }
  return std::nullopt;
}

bool tree_sum::seen(tree_span span) const {
  if (complete_) return true;
  for (tree_span at = root_; !waiting_.contains(at);) { // down to it
    if (at == span || at.count == 1) return false;
    const auto [left, right] = tree_children(n_, at);
    at = contains(left, span) ? left : right;
  }
  return true;
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
