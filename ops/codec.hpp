// Gradient codecs: what a gradient becomes between a layer shard, which encodes it, and its
// gradient aggregator, which decodes it. Each is deterministic: a payload is a function of the
// gradient, the residual and the key, never of threads or of the machine's instruction set.
//
// A payload is a tensor whose floats are raw 32-bit words in memory order (little-endian): copy and
// send it as bytes, never compute with it. Our payloads start with two words, the codec's mark and
// the number of floats. The rest is in the .cpp of each codec.
//
// What crosses when a gradient is not finite: its loss is not either, and the receiver must notice,
// so every codec of ours decodes a NaN as a NaN and an infinity as one or as a NaN.
#pragma once

#include "ops/tensor.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace troupe {

struct codec_key { // what keyed draws depend on
  std::uint64_t seed = 0, step = 0;
  int block = 0;
  std::uint32_t first_microbatch = 0;
};

// Immutable, thread-safe.
class codec {
public:
  codec() = default;
  codec(const codec&) = delete;
  codec& operator=(const codec&) = delete;
  virtual ~codec() = default;

  [[nodiscard]] virtual std::string text() const = 0; // "top-k 0.01"; make_codec reads it

  // Error feedback: what a payload left out is kept in a residual and added to the next gradient.
  // Zero at first; the encoder has one for each (block, first microbatch).
  [[nodiscard]] virtual bool has_residual() const = 0;

  // `residual` is of the gradient's size if has_residual(), read and updated in place; else empty.
  [[nodiscard]] virtual tensor encode(std::span<const float> gradient,
                                      std::span<float> residual,
                                      const codec_key& key) const = 0;

  // Fills `gradient`, whose size the receiver knows. Throws error when the payload is malformed,
  // having read nothing outside of it.
  virtual void decode(const tensor& payload, std::span<float> gradient) const = 0;
};

// "none" is null: the gradient crosses as it is, without a copy. Throws error with "did you mean".
std::shared_ptr<const codec> make_codec(const std::string& text);
const std::vector<std::string>& codec_names(); // without their numbers: "top-k"

} // namespace troupe
