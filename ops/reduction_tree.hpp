// The canonical reduction: gradients are summed over the global microbatch index 0..n-1 in one
// fixed balanced binary tree, whoever sends them and whenever they arrive.
//
// A node of the tree covers [first, first + count). [0, n) splits at the largest power of two below
// n; so an aligned power-of-two run of microbatches is a node, whose owner may sum it locally and
// send one tensor: same bits, less traffic. (With n = 5: ((0+1)+(2+3))+4.)
#pragma once

#include "ops/tensor.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <vector>

namespace troupe {

struct tree_span {
  std::uint32_t first = 0;
  std::uint32_t count = 1;
  friend auto operator<=>(const tree_span&, const tree_span&) = default;
};

// The maximal nodes of the tree over n leaves that lie inside [first, first + count), in order.
std::vector<tree_span> tree_cover(std::uint32_t n, tree_span range);

// The nodes of tree_cover, with the root's children for the root: the last sum of the tree is left
// to whoever passes over the gradient next. (The root itself only where n is 1.)
std::vector<tree_span> tree_cover_below_root(std::uint32_t n, tree_span range);

// The nodes of at most `count_max` leaves whose parents have more, in order.
std::vector<tree_span> tree_nodes(std::uint32_t n, std::uint32_t count_max);

// Those of `nodes` that begin inside `range`.
std::vector<tree_span> nodes_within(std::vector<tree_span> nodes, tree_span range);

// The parent of a node of the tree over n leaves; nothing for the root.
std::optional<tree_span> tree_parent(std::uint32_t n, tree_span span);
// The two children; REQUIRES: span.count > 1.
std::pair<tree_span, tree_span> tree_children(std::uint32_t n, tree_span span);

// Sums what arrives, as far as siblings are complete. Idempotent: a span that was seen (or lies in
// a seen one) is dropped. Not thread-safe.
class tree_sum {
public:
  tree_sum(std::uint32_t n, tree_span root) : n_(n), root_(root) {}

  // Takes the sum over `span`; returns the completed sum over `root` once all of it is there.
  // A left + right addition is done at once by `add` (default: element-wise, into a pooled buffer).
  std::optional<tensor> add(tree_span span, tensor value);

  [[nodiscard]] bool seen(tree_span span) const;

  [[nodiscard]] std::int64_t additions_of(tree_span span) const; // that add() would make now
  [[nodiscard]] std::vector<tree_span> missing() const; // runs of leaves that were not seen

  void clear();

private:
  std::uint32_t n_;
  tree_span root_;
  std::map<tree_span, tensor> waiting_;
  bool complete_ = false;
};

tensor sum(const tensor& left, const tensor& right); // element-wise left + right

} // namespace troupe
