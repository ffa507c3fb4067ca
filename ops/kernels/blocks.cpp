#include "ops/kernels/blocks.hpp"

#include <algorithm>

namespace troupe::kernels {

namespace {

constexpr std::int64_t line_floats = 16; // 64 bytes

std::int64_t at_line(std::int64_t floats) {
  return (floats + line_floats - 1) / line_floats * line_floats;
}

// Parameter indices per block, in the model's order.
std::vector<std::vector<int>>
cut(const graph& g, std::int64_t bytes_min, const std::vector<int>& part_of_parameter) {
  std::vector<std::vector<int>> blocks;
  std::int64_t bytes = bytes_min; // opens the first block
  int part = 0;
  for (auto n = g.nodes.rbegin(); n != g.nodes.rend(); ++n) {
    if (n->parameters.empty()) continue;
    const int own = part_of_parameter[static_cast<std::size_t>(n->parameters.front())];
    if (bytes >= bytes_min || own != part) {
      blocks.emplace_back();
      bytes = 0;
      part = own;
    }
    for (int p : n->parameters) {
      blocks.back().push_back(p);
      bytes += g.parameters[static_cast<std::size_t>(p)].dims.elements() *
               static_cast<std::int64_t>(sizeof(float));
    }
  }
  for (std::vector<int>& block : blocks)
    std::sort(block.begin(), block.end());
  return blocks;
}

} // namespace

parameter_layout layout_in_blocks(const graph& g,
                                  const std::vector<bound_parameter>& parameters,
                                  std::int64_t bytes_min,
                                  const std::vector<int>& part_of_parameter) {
  parameter_layout layout;
  layout.specs = g.parameters;
  layout.places.resize(g.parameters.size());
  const auto blocks = cut(g, bytes_min, part_of_parameter);
  for (std::size_t block = 0; block < blocks.size(); ++block) {
    block_extent extent;
    for (parameter_kind kind : {parameter_kind::trainable, parameter_kind::statistic}) {
      for (int p : blocks[block]) {
        const auto index = static_cast<std::size_t>(p);
        if (g.parameters[index].kind != kind) continue;
        layout.places[index] = {
            static_cast<int>(block), extent.size, parameters[index].size, parameters[index].order};
        extent.size = at_line(extent.size + parameters[index].size);
      }
      if (kind == parameter_kind::trainable) extent.trainable = extent.size;
    }
    layout.blocks.push_back(extent);
  }
  return layout;
}

} // namespace troupe::kernels
