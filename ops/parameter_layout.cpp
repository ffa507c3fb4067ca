#include "ops/parameter_layout.hpp"

#include "ops/assert.hpp"
#include "ops/random.hpp"

#include <algorithm>
#include <cmath>

namespace troupe {

namespace {

std::size_t elements(const parameter_spec& spec) {
  return static_cast<std::size_t>(spec.dims.elements());
}

std::vector<float> initial_values(const parameter_spec& spec, random_stream stream) {
  std::vector<float> out(elements(spec), spec.constant);
  if (spec.constant_init || spec.init == initialiser::zeros) return out;
  const bool bias = spec.dims.rank() == 1;
  const auto fan_in = static_cast<float>(spec.fan_in);
  if (spec.init == initialiser::torch_default) {
    const float bound = 1.0F / std::sqrt(fan_in);
    for (auto& v : out)
      v = stream.uniform(-bound, bound);
  } else if (!bias && spec.init == initialiser::kaiming_normal) {
    const float deviation = std::sqrt(2.0F / fan_in);
    for (auto& v : out)
      v = deviation * stream.normal();
  } else if (!bias && spec.init == initialiser::xavier_uniform) {
    // fan_out: outputs times the receptive field
    const float field =
        spec.dims.rank() == 4 ? static_cast<float>(spec.dims[2] * spec.dims[3]) : 1.0F;
    const float bound = std::sqrt(6.0F / (fan_in + static_cast<float>(spec.dims[0]) * field));
    for (auto& v : out)
      v = stream.uniform(-bound, bound);
  } else {
    std::fill(out.begin(), out.end(), 0.0F);
  }
  return out;
}

} // namespace

std::int64_t parameter_layout::bytes() const {
  std::int64_t out = 0;
  for (const auto& block : blocks)
    out += block.size * static_cast<std::int64_t>(sizeof(float));
  return out;
}

std::vector<tensor> packed_blocks(const parameter_layout& layout,
                                  std::span<const std::span<const float>> plain) {
  TROUPE_ASSERT(plain.size() == layout.specs.size(), "one span per parameter");
  std::vector<mutable_tensor> open;
  for (const auto& block : layout.blocks) {
    open.push_back(buffer_pool::global().take({block.size}));
    std::fill_n(open.back().data(), block.size, 0.0F);
  }
  for (std::size_t i = 0; i < plain.size(); ++i) {
    const auto& place = layout.places[i];
    TROUPE_ASSERT(plain[i].size() == elements(layout.specs[i]),
                  "plain values of " + layout.specs[i].name);
    const auto to = open[static_cast<std::size_t>(place.block)].values().subspan(
        static_cast<std::size_t>(place.offset), static_cast<std::size_t>(place.size));
    if (place.order)
      place.order->pack(plain[i], to);
    else
      std::copy(plain[i].begin(), plain[i].end(), to.begin());
  }
  std::vector<tensor> out;
  for (auto& block : open)
    out.push_back(std::move(block).freeze());
  return out;
}

std::vector<tensor> initial_parameters(const parameter_layout& layout, std::uint64_t seed) {
  std::vector<std::vector<float>> values;
  for (std::size_t i = 0; i < layout.specs.size(); ++i)
    values.push_back(initial_values(layout.specs[i],
                                    random_stream({.seed = seed,
                                                   .purpose = random_purpose::initialise,
                                                   .b = static_cast<std::uint32_t>(i)})));
  const std::vector<std::span<const float>> plain(values.begin(), values.end());
  return packed_blocks(layout, plain);
}

std::vector<float>
plain_values(const parameter_layout& layout, int index, std::span<const tensor> blocks) {
  const auto i = static_cast<std::size_t>(index);
  const auto& place = layout.places[i];
  const auto from = blocks[static_cast<std::size_t>(place.block)].values().subspan(
      static_cast<std::size_t>(place.offset), static_cast<std::size_t>(place.size));
  std::vector<float> out(elements(layout.specs[i]));
  if (place.order)
    place.order->unpack(from, out);
  else
    std::copy_n(from.begin(), out.size(), out.begin());
  return out;
}

} // namespace troupe
