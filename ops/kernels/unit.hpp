// Nodes of a graph that run as one kernel, e.g. a convolution and the relu behind it. Fusing needs
// that nobody else reads what lies between them.
#pragma once

#include "ops/graph.hpp"

#include <vector>

namespace troupe::kernels {

struct unit {
  std::vector<int> nodes; // a chain, in execution order
  bool relu = false;      // conv2d, dense, batch_norm or add, then relu
  bool pool = false;      // [batch_norm], relu, max_pool2d(2): own kernel
  bool sum = false;       // batch_norm, add, perhaps relu: own kernel; the other input is any value

  [[nodiscard]] int first() const { return nodes.front(); }

  [[nodiscard]] int last() const { return nodes.back(); }
};

struct fusing {
  bool own_kernels = false;
  std::vector<int> part_of_node = {}; // those of different parts are not fused; empty: one part
};

std::vector<unit> units_of(const graph& g, const fusing& allowed);

} // namespace troupe::kernels
