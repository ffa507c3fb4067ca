#include "ops/codecs/payload.hpp"

#include "ops/assert.hpp"
#include "ops/clones.hpp"
#include "ops/error.hpp"

#include <fmt/format.h>

namespace troupe {

namespace {

constexpr std::size_t header_words = 2;

TROUPE_CLONES void add(const float* __restrict more, float* __restrict sum, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i)
    sum[i] = more[i] + sum[i];
}

} // namespace

void add_to_residual(std::span<const float> gradient, std::span<float> residual) {
  TROUPE_ASSERT(gradient.size() == residual.size(), "a residual is of the gradient's size");
  add(gradient.data(), residual.data(), gradient.size());
}

payload_writer::payload_writer(codec_mark mark, std::size_t floats, std::size_t body_words)
    : payload_(
          buffer_pool::global().take(shape{static_cast<std::int64_t>(header_words + body_words)})) {
  TROUPE_ASSERT(floats <= std::numeric_limits<std::uint32_t>::max(), "a gradient of 2^32 floats");
  auto* header = reinterpret_cast<bytes*>(payload_.data());
  store(header, 0, mark);
  store(header, 1, static_cast<std::uint32_t>(floats));
}

const bytes*
payload_body(const tensor& payload, codec_mark mark, std::size_t floats, std::size_t body_words) {
  const auto words = static_cast<std::size_t>(payload.elements());
  if (words != header_words + body_words)
    malformed(fmt::format("it has {} words instead of {}", words, header_words + body_words));
  const auto* header = reinterpret_cast<const bytes*>(payload.data());
  if (load<codec_mark>(header, 0) != mark) malformed("another codec wrote it, or none");
  if (const auto said = load<std::uint32_t>(header, 1); said != floats)
    malformed(fmt::format("it holds {} floats instead of {}", said, floats));
  return header + header_words * sizeof(float);
}

void malformed(const std::string& why) {
  throw error({.what = "a compressed gradient is malformed",
               .where = {},
               .why = why,
               .help = "both ends need the same codec and the same model"});
}

} // namespace troupe
