#include "ops/random.hpp"

#include <cmath>
#include <numbers>

namespace troupe {

namespace {

// Constants and rounds of Philox 4x32-10 (Salmon et al. 2011, table 2).
constexpr std::uint32_t multiplier_0 = 0xD2511F53, multiplier_1 = 0xCD9E8D57;
constexpr std::uint32_t weyl_0 = 0x9E3779B9, weyl_1 = 0xBB67AE85;

constexpr std::uint32_t low(std::uint64_t x) {
  return static_cast<std::uint32_t>(x);
}

constexpr std::uint32_t high(std::uint64_t x) {
  return static_cast<std::uint32_t>(x >> 32);
}

} // namespace

std::array<std::uint32_t, 4> philox_rounds(std::array<std::uint32_t, 4> counter,
                                           std::array<std::uint32_t, 2> key) noexcept {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{multiplier_0} * counter[0];
    const std::uint64_t p1 = std::uint64_t{multiplier_1} * counter[2];
    counter = {high(p1) ^ counter[1] ^ key[0], low(p1), high(p0) ^ counter[3] ^ key[1], low(p0)};
    key[0] += weyl_0;
    key[1] += weyl_1;
  }
  return counter;
}

// The seed is the key. Purpose, a and b are hashed into the upper half of the counter by one extra
// application, since together they are wider than it.
std::array<std::uint32_t, 4> philox(const random_key& key, std::uint64_t block) noexcept {
  const std::array<std::uint32_t, 2> seed = {low(key.seed), high(key.seed)};
  const auto mixed = philox_rounds(
      {low(key.a), high(key.a), key.b, static_cast<std::uint32_t>(key.purpose)}, seed);
  return philox_rounds({low(block), high(block), mixed[0], mixed[1]}, {mixed[2], mixed[3]});
}

std::uint32_t random_stream::next() noexcept {
  if (used_ == 4) {
    words_ = philox(key_, block_++);
    used_ = 0;
  }
  return words_[static_cast<std::size_t>(used_++)];
}

float random_stream::uniform() noexcept {
  return static_cast<float>(next() >> 8) * 0x1p-24F;
}

float random_stream::uniform(float low_end, float high_end) noexcept {
  return low_end + (high_end - low_end) * uniform();
}

float random_stream::normal() noexcept {
  const float u = 1.0F - uniform(); // (0, 1]: its logarithm is finite
  const float v = uniform();
  return std::sqrt(-2.0F * std::log(u)) * std::cos(2.0F * std::numbers::pi_v<float> * v);
}

// Lemire, "Fast random integer generation in an interval" (2019), algorithm 5.
std::uint32_t random_stream::below(std::uint32_t bound) noexcept {
  std::uint64_t product = std::uint64_t{next()} * bound;
  if (low(product) < bound) {
    const std::uint32_t threshold = (0U - bound) % bound;
    while (low(product) < threshold)
      product = std::uint64_t{next()} * bound;
  }
  return high(product);
}

} // namespace troupe
