// One byte for each float: steps of a 127th of the chunk's largest magnitude, rounded up or down at
// random so that the expected value is the float itself (QSGD: Alistarh et al., NeurIPS 2017, with
// the scale of a maximum instead of a norm). Body, for each chunk: the scale, then the bytes, with
// zeros up to a whole word.
//
// In fixed point: a float is f = trunc(x * 2^16) steps, and (f + draw) >> 16 with a uniform 16-bit
// draw has the expectation f / 2^16 exactly. Unbiased, then, up to 2^-16 of a step.
#include "ops/clones.hpp"
#include "ops/codec.hpp"
#include "ops/codecs/payload.hpp"
#include "ops/random.hpp"

#include <cfloat>

namespace troupe {

namespace {

constexpr std::size_t draw_words = chunk_floats / 2;

TROUPE_CLONES std::uint32_t largest_magnitude_bits(const float* in, std::size_t n) {
  std::uint32_t out = 0;
  for (std::size_t i = 0; i < n; ++i)
    out = std::max(out, magnitude_bits(in[i]));
  return out;
}

inline std::int8_t rounded(float steps, std::uint32_t draw) {
  constexpr std::int32_t most = 127 << 16;
  const auto fixed = static_cast<std::int32_t>(steps * 0x1p16F);
  const std::int32_t held = std::clamp(fixed, -most, most); // the product may be a little above 127
  return static_cast<std::int8_t>((held + static_cast<std::int32_t>(draw)) >> 16);
}

// Float i uses the lower half of word i, and from draw_words on the upper half of word
// i - draw_words.
TROUPE_CLONES void quantise(const float* __restrict in,
                            float steps_per_unit,
                            const std::uint32_t* __restrict draws,
                            bytes* __restrict out,
                            std::size_t n) {
  const std::size_t lower = std::min(n, draw_words);
  for (std::size_t i = 0; i < lower; ++i)
    store(out, i, rounded(in[i] * steps_per_unit, draws[i] & 0xFFFFU));
  for (std::size_t i = draw_words; i < n; ++i)
    store(out, i, rounded(in[i] * steps_per_unit, draws[i - draw_words] >> 16));
}

TROUPE_CLONES void
restore(const bytes* __restrict in, float scale, float* __restrict out, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i)
    out[i] = scale * static_cast<float>(load<std::int8_t>(in, i));
}

class int8 final : public codec {
public:
  [[nodiscard]] std::string text() const override { return "int8"; }

  [[nodiscard]] bool has_residual() const override { return false; }

  [[nodiscard]] tensor
  encode(std::span<const float> gradient, std::span<float>, const codec_key& key) const override {
    const random_key draws_key{.seed = key.seed,
                               .purpose = random_purpose::rounding,
                               .a = key.step,
                               .b = key.first_microbatch};
    std::uint64_t draws_block = static_cast<std::uint64_t>(key.block) << 32;
    payload_writer writer(codec_mark::int8, gradient.size(), words(gradient.size()));
    bytes* out = writer.body();
    for (std::size_t first = 0; first < gradient.size(); first += chunk_floats) {
      const auto chunk = gradient.subspan(first, std::min(chunk_floats, gradient.size() - first));
      std::array<std::uint32_t, draw_words> draws; // NOLINT: filled by the next line
      philox_fill(draws_key, draws_block, draws);
      draws_block += draw_words / 4;
      encode_chunk(chunk, draws, out);
      out += chunk_bytes(chunk.size());
    }
    return writer.finish();
  }

  void decode(const tensor& payload, std::span<float> gradient) const override {
    const bytes* in =
        payload_body(payload, codec_mark::int8, gradient.size(), words(gradient.size()));
    for (std::size_t first = 0; first < gradient.size(); first += chunk_floats) {
      const auto chunk = gradient.subspan(first, std::min(chunk_floats, gradient.size() - first));
      const auto scale = load<float>(in, 0);
      if (!is_scale(scale)) malformed("a scale is negative or not a number");
      if (scale == not_finite)
        std::fill(chunk.begin(), chunk.end(), std::numeric_limits<float>::quiet_NaN());
      else
        restore(in + sizeof(float), scale, chunk.data(), chunk.size());
      in += chunk_bytes(chunk.size());
    }
  }

private:
  static void
  encode_chunk(std::span<const float> chunk, std::span<const std::uint32_t> draws, bytes* out) {
    const std::size_t n = chunk.size();
    std::fill(out, out + chunk_bytes(n), bytes{0});
    const auto largest = std::bit_cast<float>(largest_magnitude_bits(chunk.data(), n));
    const float scale = largest / 127.0F;
    if (!(largest <= FLT_MAX)) {
      store(out, 0, not_finite);
    } else if (scale >= FLT_MIN) { // smaller ones are zeros: 127 / largest would overflow
      store(out, 0, scale);
      quantise(chunk.data(), 127.0F / largest, draws.data(), out + sizeof(float), n);
    }
  }

  static std::size_t chunk_bytes(std::size_t n) { return sizeof(float) * (1 + (n + 3) / 4); }

  static std::size_t words(std::size_t n) {
    return (n + chunk_floats - 1) / chunk_floats + (n + 3) / 4;
  }
};

} // namespace

std::shared_ptr<const codec> make_int8() {
  return std::make_shared<int8>();
}

} // namespace troupe
