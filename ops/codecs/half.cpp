// Two bytes for each float (ops/half_floats.hpp). One large gradient is clipped in fp16, not made
// an infinity; infinities and NaNs stay. Body: the halves, in the last word a zero if their number
// is odd.
#include "ops/clones.hpp"
#include "ops/codec.hpp"
#include "ops/codecs/payload.hpp"
#include "ops/half_floats.hpp"

namespace troupe {

namespace {

TROUPE_CLONES void encode_fp16(const float* __restrict in, bytes* __restrict out, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i)
    store(out, i, fp16::of(in[i]));
}

TROUPE_CLONES void decode_fp16(const bytes* __restrict in, float* __restrict out, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i)
    out[i] = fp16::to_float(load<std::uint16_t>(in, i));
}

TROUPE_CLONES void encode_bf16(const float* __restrict in, bytes* __restrict out, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i)
    store(out, i, bf16::of(in[i]));
}

TROUPE_CLONES void decode_bf16(const bytes* __restrict in, float* __restrict out, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i)
    out[i] = bf16::to_float(load<std::uint16_t>(in, i));
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
