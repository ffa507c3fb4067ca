#include "ops/random.hpp"

#include "ops/assert.hpp"
#include "ops/clones.hpp"

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

// philox_rounds in scalars, the rounds unrolled: with arrays the loop over j is not vectorised.
TROUPE_CLONES void fill(const philox_key& key,
                        std::uint32_t first,
                        std::uint32_t block_high,
                        std::uint32_t* __restrict words,
                        std::size_t n) noexcept {
  const std::uint32_t high_0 = key.counter_high[0], high_1 = key.counter_high[1];
  const std::uint32_t key_0 = key.key[0], key_1 = key.key[1];
  for (std::size_t j = 0; j < n; ++j) {
    std::uint32_t c0 = first + static_cast<std::uint32_t>(j), c1 = block_high;
    std::uint32_t c2 = high_0, c3 = high_1;
#pragma GCC unroll 10
    for (std::uint32_t round = 0; round < 10; ++round) {
      const std::uint64_t p0 = std::uint64_t{multiplier_0} * c0;
      const std::uint64_t p1 = std::uint64_t{multiplier_1} * c2;
      c0 = high(p1) ^ c1 ^ (key_0 + round * weyl_0);
      c1 = low(p1);
      c2 = high(p0) ^ c3 ^ (key_1 + round * weyl_1);
      c3 = low(p0);
    }
    words[j] = c0;
    words[n + j] = c1;
    words[2 * n + j] = c2;
    words[3 * n + j] = c3;
  }
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
philox_key mixed(const random_key& key) noexcept {
  const auto words =
      philox_rounds({low(key.a), high(key.a), key.b, static_cast<std::uint32_t>(key.purpose)},
                    {low(key.seed), high(key.seed)});
  return {{words[0], words[1]}, {words[2], words[3]}};
}

std::array<std::uint32_t, 4> philox(const random_key& key, std::uint64_t block) noexcept {
  const philox_key m = mixed(key);
  return philox_rounds({low(block), high(block), m.counter_high[0], m.counter_high[1]}, m.key);
}

void philox_fill(const random_key& key,
                 std::uint64_t first,
                 std::span<std::uint32_t> words) noexcept {
  TROUPE_ASSERT(words.size() % 4 == 0, "a block has four words");
  const std::size_t n = words.size() / 4;
  TROUPE_ASSERT(low(first) + n <= std::uint64_t{1} << 32, "blocks past 2^32");
  fill(mixed(key), low(first), high(first), words.data(), n);
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
