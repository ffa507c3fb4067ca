// How a codec is applied to the gradient of a block: to each run of 16K packed values of each
// parameter on its own. So what is lost does not depend on how parameters are cut into blocks, and
// a job with a codec gives the same bits under every wiring. The values of a run stand in the
// parameter's plain order, without padding: what codecs share among neighbours (a scale, a mean) is
// shared by the weights of few neurons, whatever the kernels' order. Statistics behind the
// trainable part cross bit by bit, and padding stays zero.
//
// Payload, in 32-bit words: the length of each run's payload, the payloads, the statistics.
#pragma once

#include "ops/codec.hpp"
#include "ops/parameter_layout.hpp"
#include "ops/tensor.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace troupe {

class block_codec {
public:
  block_codec(std::shared_ptr<const codec> c, const parameter_layout& layout, int block);

  [[nodiscard]] std::int64_t residual_elements() const; // 0: it has none

  // `residual` has residual_elements(); it is updated in place. `key.block` is chosen here.
  [[nodiscard]] tensor
  encode(const tensor& gradient, std::span<float> residual, codec_key key) const;

  // The block again, in a buffer of the global pool. Throws error when the payload is malformed.
  [[nodiscard]] tensor decode(const tensor& payload) const;

private:
  struct run {
    int number = 0;                   // of all the model's runs: what keyed draws depend on
    std::vector<std::int64_t> places; // of its floats, in the block
  };

  std::shared_ptr<const codec> codec_;
  block_extent extent_;
  std::vector<run> runs_;
};

} // namespace troupe
