// One bit for each float, its sign; a chunk's positive floats become their mean, and so do its
// negative ones. What is lost goes into the residual and is added to the next gradient (Seide et
// al., "1-bit stochastic gradient descent and its application to data-parallel distributed training
// of speech DNNs", Interspeech 2014, section 3; a chunk takes the place of their column).
//
// Body, for each chunk: the mean of the positive floats, the mean magnitude of the negative ones,
// and w = ceil(n / 32) words: bit j of word i is the sign of float j * w + i, so that a vector of
// floats meets a vector of words.
#include "ops/clones.hpp"
#include "ops/codec.hpp"
#include "ops/codecs/payload.hpp"

#include <cfloat>

namespace troupe {

namespace {

struct two_means {
  float positive = 0, negative = 0; // both as magnitudes
};

// Sums in 32 lanes, then halved: an order that vectors of any length can keep.
TROUPE_CLONES two_means means_of(const float* v, std::size_t n) {
  constexpr std::size_t lanes = 32;
  float positive[lanes] = {}, negative[lanes] = {};
  std::uint32_t negatives[lanes] = {};
  const auto add = [&](std::size_t lane, float x) {
    const std::uint32_t sign = bits_of(x) >> 31, m = magnitude_bits(x);
    positive[lane] += std::bit_cast<float>(m & (sign - 1)); // m or zero
    negative[lane] += std::bit_cast<float>(m & (0 - sign));
    negatives[lane] += sign;
  };
  const std::size_t whole = n / lanes * lanes;
  for (std::size_t i = 0; i < whole; i += lanes)
    for (std::size_t lane = 0; lane < lanes; ++lane)
      add(lane, v[i + lane]);
  for (std::size_t i = whole; i < n; ++i)
    add(i - whole, v[i]);
  for (std::size_t half = lanes / 2; half > 0; half /= 2)
    for (std::size_t lane = 0; lane < half; ++lane) {
      positive[lane] += positive[lane + half];
      negative[lane] += negative[lane + half];
      negatives[lane] += negatives[lane + half];
    }
  const auto mean = [](float sum, std::size_t count) {
    return count == 0 ? 0.0F : sum / static_cast<float>(count);
  };
  return {mean(positive[0], n - negatives[0]), mean(negative[0], negatives[0])};
}

// Takes from `v` what the signs and the means say.
TROUPE_CLONES void
encode_signs(float* __restrict v, two_means means, std::uint32_t* __restrict out, std::size_t n) {
  const std::size_t words = (n + 31) / 32;
  for (std::size_t first = 0, bit = 0; first < n; first += words, ++bit) {
    const std::size_t count = std::min(words, n - first);
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint32_t sign = bits_of(v[first + i]) >> 31;
      out[i] |= sign << bit;
      v[first + i] -= sign != 0 ? -means.negative : means.positive;
    }
  }
}

TROUPE_CLONES void decode_signs(const std::uint32_t* __restrict in,
                                two_means means,
                                float* __restrict out,
                                std::size_t n) {
  const std::size_t words = (n + 31) / 32;
  for (std::size_t first = 0, bit = 0; first < n; first += words, ++bit) {
    const std::size_t count = std::min(words, n - first);
    for (std::size_t i = 0; i < count; ++i)
      out[first + i] = ((in[i] >> bit) & 1U) != 0 ? -means.negative : means.positive;
  }
}

class one_bit final : public codec {
public:
  [[nodiscard]] std::string text() const override { return "1-bit"; }

  [[nodiscard]] bool has_residual() const override { return true; }

  [[nodiscard]] tensor encode(std::span<const float> gradient,
                              std::span<float> residual,
                              const codec_key&) const override {
    add_to_residual(gradient, residual);
    payload_writer writer(codec_mark::one_bit, gradient.size(), words(gradient.size()));
    bytes* out = writer.body();
    for (std::size_t first = 0; first < residual.size(); first += chunk_floats) {
      const auto chunk = residual.subspan(first, std::min(chunk_floats, residual.size() - first));
      encode_chunk(chunk, out);
      out += chunk_bytes(chunk.size());
    }
    return writer.finish();
  }

  void decode(const tensor& payload, std::span<float> gradient) const override {
    const bytes* in =
        payload_body(payload, codec_mark::one_bit, gradient.size(), words(gradient.size()));
    for (std::size_t first = 0; first < gradient.size(); first += chunk_floats) {
      const auto chunk = gradient.subspan(first, std::min(chunk_floats, gradient.size() - first));
      decode_chunk(in, chunk);
      in += chunk_bytes(chunk.size());
    }
  }

private:
  using sign_words = std::array<std::uint32_t, chunk_floats / 32>;

  static void encode_chunk(std::span<float> v, bytes* out) {
    sign_words signs{};
    two_means means = means_of(v.data(), v.size());
    if (means.positive <= FLT_MAX && means.negative <= FLT_MAX) {
      encode_signs(v.data(), means, signs.data(), v.size());
    } else { // nothing is left to send: the receiver gets NaNs
      means = {not_finite, not_finite};
      std::fill(v.begin(), v.end(), 0.0F);
    }
    store(out, 0, means);
    std::memcpy(out + sizeof means, signs.data(), chunk_bytes(v.size()) - sizeof means);
  }

  static void decode_chunk(const bytes* in, std::span<float> out) {
    sign_words signs{};
    const auto means = load<two_means>(in, 0);
    if (!is_scale(means.positive) || !is_scale(means.negative))
      malformed("a mean is negative or not a number");
    if (means.positive == not_finite || means.negative == not_finite) {
      std::fill(out.begin(), out.end(), std::numeric_limits<float>::quiet_NaN());
      return;
    }
    std::memcpy(signs.data(), in + sizeof means, chunk_bytes(out.size()) - sizeof means);
    decode_signs(signs.data(), means, out.data(), out.size());
  }

  static std::size_t chunk_bytes(std::size_t n) { return sizeof(float) * (2 + (n + 31) / 32); }

  static std::size_t words(std::size_t n) {
    return 2 * ((n + chunk_floats - 1) / chunk_floats) + (n + 31) / 32;
  }
};

} // namespace

std::shared_ptr<const codec> make_one_bit() {
  return std::make_shared<one_bit>();
}

} // namespace troupe
