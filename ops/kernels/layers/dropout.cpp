// Srivastava et al. 2014, inverted: kept values are divided by the probability of being kept, so
// that evaluation is the identity. The mask is a function of (seed, step, microbatch, node) and of
// the place of a value in memory. It is kept as bytes for the gradient.
#include "ops/kernels/layers/layers.hpp"
#include "ops/random.hpp"

#include <cmath>
#include <variant>

namespace troupe::kernels {

namespace {

void draw_mask(const random_key& draw, float probability, std::uint8_t* mask, std::size_t n) {
  const double scaled = std::ldexp(static_cast<double>(probability), 32);
  const auto dropped_below = static_cast<std::uint64_t>(scaled); // 2^32 drops everything
  for (std::size_t i = 0; i < n; i += 4) {
    const std::array<std::uint32_t, 4> words = philox(draw, i / 4);
    for (std::size_t j = 0; j < 4 && i + j < n; ++j)
      mask[i + j] = words[j] >= dropped_below ? 1 : 0;
  }
}

void scale_kept(
    const float* from, const std::uint8_t* mask, float scale, float* to, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i)
    to[i] = mask[i] != 0 ? from[i] * scale : 0.0F;
}

} // namespace

random_key dropout_key(const microbatch_key& key, int draw_key) {
  constexpr int microbatch_shift = 16; // nodes are far fewer than 2^16
  return {key.seed,
          random_purpose::dropout,
          key.step,
          (key.microbatch << microbatch_shift) | static_cast<std::uint32_t>(draw_key)};
}

void build_dropout(builder& b, const unit& u) {
  const int index = u.first(), source = b.node_at(index).inputs[0];
  const int draw_key = b.node_at(index).draw_key;
  const float probability = std::get<dropout>(b.node_at(index).options).probability;
  if (!b.training() || probability <= 0.0F) {
    build_flatten(b, u); // the identity
    return;
  }
  const float scale = probability < 1.0F ? 1.0F / (1.0F - probability) : 0.0F;
  const view input = b.value(source);
  const memory_desc desc = input.desc();
  const std::size_t n = float_count(desc);
  const view output = b.make(desc);
  const view mask =
      b.make({{static_cast<dnnl::memory::dim>(n)}, dnnl::memory::data_type::u8, format::a});
  b.function(phase::forward,
             b.name(index, "forward"),
             {input},
             {output, mask},
             [=, key = b.key(), x = input.memory, y = output.memory, m = mask.memory] {
               auto* bytes = static_cast<std::uint8_t*>(m.get_data_handle());
               draw_mask(dropout_key(*key, draw_key), probability, bytes, n);
               scale_kept(floats(x), bytes, scale, floats(y), n);
             });
  b.set_value(index, output);
  b.on_backward([=, &b] {
    if (!b.needs_gradient(source)) return;
    const gradient g = b.gradient_as(index, desc);
    const view result = g.owned ? g.value : b.make(desc);
    b.function(
        phase::backward,
        b.name(index, "gradient"),
        {g.value, mask},
        {result},
        [=, dy = g.value.memory, dx = result.memory, m = mask.memory] {
          scale_kept(
              floats(dy), static_cast<std::uint8_t*>(m.get_data_handle()), scale, floats(dx), n);
        });
    b.contribute(source, result, true);
  });
}

} // namespace troupe::kernels
