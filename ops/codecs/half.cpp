// Two bytes for each float, rounded to the nearest, ties to even.
//   fp16  11 bits of precision, 6.1e-5 to 65,504 (less precise down to 6e-8). Larger finite values
//         become 65,504: one large gradient is clipped, not made an infinity.
//   bf16  8 bits of precision, the range of a float.
// Infinities and NaNs stay. Body: the halves, in the last word a zero if their number is odd.
//
// Integer operations and additions of normal floats only, after F. Giesen's float_to_half_fast3
// and half_to_float: every machine gives the same bits, vectorised at the speed of memory, so the
// processor's own conversions (F16C, AVX-512 BF16) have nothing to add.
#include "ops/clones.hpp"
#include "ops/codec.hpp"
#include "ops/codecs/payload.hpp"

namespace troupe {

namespace {

constexpr std::uint32_t infinity_bits = 0x7F800000;

// A choice without a branch: GCC does not vectorise one that leaves out a float addition.
inline std::uint32_t pick(bool condition, std::uint32_t yes, std::uint32_t no) {
  const std::uint32_t mask = 0U - static_cast<std::uint32_t>(condition);
  return (yes & mask) | (no & ~mask);
}

inline std::uint16_t fp16_of(float x) {
  const std::uint32_t sign = (bits_of(x) >> 16) & 0x8000U;
  const std::uint32_t m = magnitude_bits(x);
  // Below 2^-14: the addition rounds at 2^-24, the unit of the denormal halves.
  const std::uint32_t small = bits_of(std::bit_cast<float>(m) + 0.5F) - bits_of(0.5F);
  // Exponent bias 127 to 15; half a unit less one, and one more if the unit's bit is set.
  const std::uint32_t normal = (m - (112U << 23) + 0xFFFU + ((m >> 13) & 1U)) >> 13;
  const std::uint32_t finite = pick(m < (113U << 23), small, std::min(normal, 0x7BFFU));
  const std::uint32_t other = m > infinity_bits ? 0x7E00U : 0x7C00U;
  return static_cast<std::uint16_t>(sign | pick(m < infinity_bits, finite, other));
}

inline float float_of_fp16(std::uint16_t half) {
  const std::uint32_t sign = (std::uint32_t{half} & 0x8000U) << 16;
  const std::uint32_t m = (std::uint32_t{half} & 0x7FFFU) << 13;
  const std::uint32_t exponent = m & (0x1FU << 23);
  // A denormal half is what its bits add to 2^-14.
  const std::uint32_t small =
      bits_of(std::bit_cast<float>(m + (113U << 23)) - std::bit_cast<float>(113U << 23));
  const std::uint32_t normal = m + ((exponent == (0x1FU << 23) ? 224U : 112U) << 23);
  return std::bit_cast<float>(sign | pick(exponent == 0, small, normal));
}

inline std::uint16_t bf16_of(float x) {
  const std::uint32_t all = bits_of(x);
  const std::uint32_t rounded = (all + 0x7FFFU + ((all >> 16) & 1U)) >> 16;
  const bool nan = magnitude_bits(x) > infinity_bits;
  return static_cast<std::uint16_t>(nan ? (all >> 16) | 0x40U : rounded);
}

inline float float_of_bf16(std::uint16_t half) {
  return std::bit_cast<float>(std::uint32_t{half} << 16);
}

TROUPE_CLONES void encode_fp16(const float* __restrict in, bytes* __restrict out, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i)
    store(out, i, fp16_of(in[i]));
}

TROUPE_CLONES void decode_fp16(const bytes* __restrict in, float* __restrict out, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i)
    out[i] = float_of_fp16(load<std::uint16_t>(in, i));
}

TROUPE_CLONES void encode_bf16(const float* __restrict in, bytes* __restrict out, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i)
    store(out, i, bf16_of(in[i]));
}

TROUPE_CLONES void decode_bf16(const bytes* __restrict in, float* __restrict out, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i)
    out[i] = float_of_bf16(load<std::uint16_t>(in, i));
}

struct half_format {
  const char* name;
  codec_mark mark;
  void (*encode)(const float*, bytes*, std::size_t);
  void (*decode)(const bytes*, float*, std::size_t);
};

class half final : public codec {
public:
  explicit half(const half_format& format) : format_(format) {}

  [[nodiscard]] std::string text() const override { return format_.name; }

  [[nodiscard]] bool has_residual() const override { return false; }

  [[nodiscard]] tensor
  encode(std::span<const float> gradient, std::span<float>, const codec_key&) const override {
    const std::size_t n = gradient.size();
    payload_writer out(format_.mark, n, words(n));
    if (n % 2 != 0) store(out.body(), n, std::uint16_t{0});
    format_.encode(gradient.data(), out.body(), n);
    return out.finish();
  }

  void decode(const tensor& payload, std::span<float> gradient) const override {
    const std::size_t n = gradient.size();
    format_.decode(payload_body(payload, format_.mark, n, words(n)), gradient.data(), n);
  }

private:
  static std::size_t words(std::size_t n) { return (n + 1) / 2; }

  half_format format_;
};

} // namespace

std::shared_ptr<const codec> make_fp16() {
  return std::make_shared<half>(half_format{"fp16", codec_mark::fp16, encode_fp16, decode_fp16});
}

std::shared_ptr<const codec> make_bf16() {
  return std::make_shared<half>(half_format{"bf16", codec_mark::bf16, encode_bf16, decode_bf16});
}

} // namespace troupe
