// Counter-based random numbers: Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as
// 1, 2, 3", SC 2011, section 3). A stream is a pure function of its key, so a draw depends on what
// it is for (seed, purpose, step, microbatch, layer ...) and never on who draws it or when.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace troupe {

enum class random_purpose : std::uint32_t {
  initialise = 1,
  shuffle = 2,
  augment = 3,
  dropout = 4,
  synthetic_data = 5,
  backoff = 6,
  validation_split = 7,
  balanced_sampling = 8,
  rounding = 9,
  simulation = 20,
  test = 99,
};

struct random_key {
  std::uint64_t seed = 0;
  random_purpose purpose = random_purpose::test;
  std::uint64_t a = 0; // epoch or step
  std::uint32_t b = 0; // microbatch, sample or parameter index
};

// The bijection itself, as published.
std::array<std::uint32_t, 4> philox_rounds(std::array<std::uint32_t, 4> counter,
                                           std::array<std::uint32_t, 2> key) noexcept;

// What philox() makes of a key, for whoever computes blocks elsewhere: a block's words are
// philox_rounds({low half of block, high half, counter_high}, key).
struct philox_key {
  std::array<std::uint32_t, 2> counter_high, key;
};

philox_key mixed(const random_key& key) noexcept;

// Four words of the stream `key` at `block`. Words of different keys or blocks are independent.
std::array<std::uint32_t, 4> philox(const random_key& key, std::uint64_t block) noexcept;

// Many blocks at once, at the speed of vectors. words[k * n + j] is word k of block `first` + j,
// where n is a quarter of the words. REQUIRES: `words` is a multiple of four, and the blocks lie
// between two multiples of 2^32.
void philox_fill(const random_key& key,
                 std::uint64_t first,
                 std::span<std::uint32_t> words) noexcept;

class random_stream {
public:
  explicit random_stream(const random_key& key) noexcept : key_(key) {}

  std::uint32_t next() noexcept;
  float uniform() noexcept;                          // [0, 1), 24 bits
  float uniform(float low, float high) noexcept;     // [low, high)
  float normal() noexcept;                           // mean 0, variance 1 (Box-Muller)
  std::uint32_t below(std::uint32_t bound) noexcept; // [0, bound), unbiased; REQUIRES: bound > 0

private:
  random_key key_;
  std::uint64_t block_ = 0;
  std::array<std::uint32_t, 4> words_{};
  int used_ = 4;
};

} // namespace troupe
