#include "ops/parameter_layout.hpp"

#include "ops/assert.hpp"
#include "ops/digest.hpp"
#include "ops/random.hpp"
#include "ops/whole_parameter.hpp"

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

std::vector<stored_range> parameter_layout::ranges_of_parameter(int index) const {
  const auto& place = places[static_cast<std::size_t>(index)];
  std::vector<stored_range> out;
  std::int64_t begins = 0; // of the block, in its group
  for (auto b = static_cast<std::size_t>(place.block); b < blocks.size(); ++b) {
    if (b > static_cast<std::size_t>(place.block) && !blocks[b].continues) break;
    const std::int64_t first = std::max(place.offset, begins);
    const std::int64_t last = std::min(place.offset + place.size, begins + blocks[b].size);
    if (first < last)
      out.push_back(
          {index, first - place.offset, static_cast<int>(b), first - begins, last - first});
    begins += blocks[b].size;
  }
  return out;
}

std::vector<stored_range> parameter_layout::ranges_of_block(int block) const {
  std::vector<stored_range> out;
  for (std::size_t p = 0; p < places.size(); ++p)
    for (const stored_range& r : ranges_of_parameter(static_cast<int>(p)))
      if (r.block == block) out.push_back(r);
  std::sort(out.begin(), out.end(), [](const stored_range& a, const stored_range& b) {
    return a.offset < b.offset;
  });
  return out;
}

parameter_layout split_blocks(parameter_layout layout, std::int64_t elements_max) {
  parameter_layout out = layout;
  out.blocks.clear();
  for (int b = 0; b < static_cast<int>(layout.blocks.size()); ++b) {
    const block_extent whole = layout.blocks[static_cast<std::size_t>(b)];
    const std::int64_t count = (whole.size + elements_max - 1) / elements_max;
    const std::int64_t wanted = (whole.size + count - 1) / std::max<std::int64_t>(count, 1);
    std::int64_t begins = 0;
    const int first_block = static_cast<int>(out.blocks.size());
    const auto close = [&](std::int64_t ends) {
      out.blocks.push_back({ends - begins,
                            std::clamp(whole.trainable - begins, std::int64_t{0}, ends - begins),
                            static_cast<int>(out.blocks.size()) > first_block});
      begins = ends;
    };
    for (const stored_range& r : layout.ranges_of_block(b)) {
      out.places[static_cast<std::size_t>(r.parameter)].block = first_block;
      for (std::int64_t at = r.offset; at < r.offset + r.size; at += chunk_elements)
        if (at - begins >= wanted) close(at);
    }
    close(whole.size);
  }
  return out;
}

std::uint64_t chunk_digest(int parameter, std::int64_t chunk, std::span<const float> packed) {
  constexpr int chunk_bits = 32;
  return digest_of(packed.data(),
                   packed.size_bytes(),
                   static_cast<std::uint64_t>(parameter + 1) << chunk_bits |
                       static_cast<std::uint64_t>(chunk));
}

std::uint64_t block_digest(const parameter_layout& layout, int block, const tensor& values) {
  std::uint64_t out = 0;
  for (const stored_range& r : layout.ranges_of_block(block))
    for (std::int64_t at = 0; at < r.size; at += chunk_elements)
      out += chunk_digest(
          r.parameter,
          (r.first + at) / chunk_elements,
          values.values().subspan(static_cast<std::size_t>(r.offset + at),
                                  static_cast<std::size_t>(std::min(chunk_elements, r.size - at))));
  return out;
}

std::uint64_t parameter_digest(const parameter_layout& layout, std::span<const tensor> blocks) {
  std::uint64_t out = 0;
  for (std::size_t b = 0; b < blocks.size(); ++b)
    out += block_digest(layout, static_cast<int>(b), blocks[b]);
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
  std::vector<float> packed;
  for (std::size_t i = 0; i < plain.size(); ++i) {
    const auto& place = layout.places[i];
    TROUPE_ASSERT(plain[i].size() == elements(layout.specs[i]),
                  "plain values of " + layout.specs[i].name);
    packed.assign(static_cast<std::size_t>(place.size), 0.0F);
    if (place.order)
      place.order->pack(plain[i], packed);
    else
      std::copy(plain[i].begin(), plain[i].end(), packed.begin());
    for (const stored_range& r : layout.ranges_of_parameter(static_cast<int>(i)))
      std::copy_n(packed.begin() + r.first,
                  r.size,
                  open[static_cast<std::size_t>(r.block)].data() + r.offset);
  }
  std::vector<tensor> out;
  for (auto& block : open)
    out.push_back(std::move(block).freeze());
  return out;
}

std::vector<tensor> initial_parameters(const parameter_layout& layout, std::uint64_t seed) {
  const auto wholes = whole_parameters(layout.specs);
  std::vector<std::vector<float>> values;
  for (std::size_t i = 0; i < wholes.size(); ++i)
    values.push_back(initial_values(wholes[i].spec,
                                    random_stream({.seed = seed,
                                                   .purpose = random_purpose::initialise,
                                                   .b = static_cast<std::uint32_t>(i)})));
  const std::vector<std::span<const float>> plain(values.begin(), values.end());
  return packed_blocks_of_wholes(layout, plain);
}

std::vector<float>
plain_values(const parameter_layout& layout, int index, std::span<const tensor> blocks) {
  const auto i = static_cast<std::size_t>(index);
  const auto& place = layout.places[i];
  std::vector<float> packed(static_cast<std::size_t>(place.size));
  for (const stored_range& r : layout.ranges_of_parameter(index))
    std::copy_n(blocks[static_cast<std::size_t>(r.block)].data() + r.offset,
                r.size,
                packed.begin() + r.first);
  std::vector<float> out(elements(layout.specs[i]));
  if (place.order)
    place.order->unpack(packed, out);
  else
    std::copy_n(packed.begin(), out.size(), out.begin());
  return out;
}

} // namespace troupe
