// Parameters of a made-up small network in two blocks, one of them stored in reverse by its kernel.
#pragma once

#include "ops/parameter_layout.hpp"
#include "ops/random.hpp"
#include "ops/tensor.hpp"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

namespace troupe::test {

class reversed : public relayout {
public:
  void pack(std::span<const float> plain, std::span<float> packed) const override {
    std::fill(packed.begin(), packed.end(), 0.0F);
    std::reverse_copy(plain.begin(), plain.end(), packed.begin());
  }

  void unpack(std::span<const float> packed, std::span<float> plain) const override {
    for (std::size_t i = 0; i < plain.size(); ++i)
      plain[plain.size() - 1 - i] = packed[i];
  }
};

inline parameter_layout small_layout() {
  parameter_layout layout;
  const auto add = [&](const char* name, const shape& dims, int block, bool statistic) {
    parameter_spec spec;
    spec.name = name;
    spec.dims = dims;
    spec.kind = statistic ? parameter_kind::statistic : parameter_kind::trainable;
    if (statistic) spec.momentum = 0.1F;
    layout.blocks.resize(std::max(layout.blocks.size(), static_cast<std::size_t>(block) + 1));
    block_extent& extent = layout.blocks[static_cast<std::size_t>(block)];
    placed_parameter place;
    place.block = block;
    place.offset = extent.size;
    place.size = (dims.elements() + 15) / 16 * 16;
    if (std::string(name) == "0.weight") place.order = std::make_shared<reversed>();
    extent.size += place.size;
    if (!statistic) extent.trainable = extent.size;
    layout.specs.push_back(spec);
    layout.places.push_back(place);
  };
  add("0.weight", shape{2, 1, 3, 3}, 0, false);
  add("0.bias", shape{2}, 0, false);
  add("1.weight", shape{2}, 0, false);
  add("1.bias", shape{2}, 0, false);
  add("1.running_mean", shape{2}, 0, true);
  add("1.running_var", shape{2}, 0, true);
  add("3.weight", shape{3, 8}, 1, false);
  add("3.bias", shape{3}, 1, false);
  return layout;
}

// Blocks of random values; padding zero, as packing leaves it. `trainable`: that part alone.
inline std::vector<tensor>
random_blocks(const parameter_layout& layout, std::uint32_t which, bool trainable) {
  random_stream draw({1, random_purpose::test, 0, which});
  std::vector<std::vector<float>> plain;
  std::vector<std::span<const float>> spans;
  for (const parameter_spec& spec : layout.specs) {
    plain.emplace_back(static_cast<std::size_t>(spec.dims.elements()));
    for (float& value : plain.back())
      value = draw.normal();
  }
  for (const auto& values : plain)
    spans.emplace_back(values);
  std::vector<tensor> blocks = packed_blocks(layout, spans);
  if (!trainable) return blocks;
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    const std::int64_t size = layout.blocks[b].trainable;
    blocks[b] = make_tensor(shape{size}, blocks[b].values().first(static_cast<std::size_t>(size)));
  }
  return blocks;
}

} // namespace troupe::test
