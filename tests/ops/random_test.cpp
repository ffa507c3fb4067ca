#include "ops/random.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <vector>

using namespace troupe;

namespace {

using words = std::array<std::uint32_t, 4>;

} // namespace

TEST_CASE("philox gives the published known answers") {
  CHECK(philox_rounds({0, 0, 0, 0}, {0, 0}) ==
        words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox_rounds({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}) ==
        words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox_rounds({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("a stream is a function of its key, and every part of the key matters") {
  const random_key key{.seed = 5, .purpose = random_purpose::dropout, .a = 7, .b = 9};
  const auto base = philox(key, 0);
  CHECK(philox(key, 0) == base);
  CHECK(philox(key, 1) != base);
  CHECK(philox(key, std::uint64_t{1} << 32) != base);
  auto other = key;
  other.seed += std::uint64_t{1} << 32;
  CHECK(philox(other, 0) != base);
  other = key;
  other.purpose = random_purpose::shuffle;
  CHECK(philox(other, 0) != base);
  other = key;
  other.a += std::uint64_t{1} << 32;
  CHECK(philox(other, 0) != base);
  other = key;
  ++other.b;
  CHECK(philox(other, 0) != base);
}

TEST_CASE("a stream hands out the words of its blocks in order") {
  const random_key key{.seed = 3};
  random_stream draw(key);
  for (std::uint64_t block = 0; block < 3; ++block)
    for (const std::uint32_t word : philox(key, block))
      CHECK(draw.next() == word);
}

TEST_CASE("uniform draws lie in their range and have its mean and variance") {
  random_stream draw({.seed = 11});
  constexpr int n = 100'000;
  double sum = 0, squares = 0;
  int outside = 0;
  for (int i = 0; i < n; ++i) {
    const float u = draw.uniform();
    outside += u >= 0.0F && u < 1.0F ? 0 : 1;
    sum += u;
    squares += double{u} * u;
  }
  CHECK(outside == 0);
  const double mean = sum / n;
  CHECK(std::abs(mean - 0.5) < 0.005);
  CHECK(std::abs(squares / n - mean * mean - 1.0 / 12) < 0.002);
  for (int i = 0; i < 1000; ++i) {
    const float u = draw.uniform(-3.0F, 2.0F);
    REQUIRE(u >= -3.0F);
    REQUIRE(u < 2.0F);
  }
}

TEST_CASE("normal draws have mean 0 and variance 1 and are finite") {
  random_stream draw({.seed = 12});
  constexpr int n = 100'000;
  double sum = 0, squares = 0;
  for (int i = 0; i < n; ++i) {
    const float z = draw.normal();
    REQUIRE(std::isfinite(z));
    sum += z;
    squares += double{z} * z;
  }
  CHECK(std::abs(sum / n) < 0.02);
  CHECK(std::abs(squares / n - 1.0) < 0.03);
}

TEST_CASE("below reaches every number under its bound equally often") {
  random_stream draw({.seed = 13});
  constexpr std::uint32_t bound = 7;
  constexpr int n = 70'000;
  std::array<int, bound> counts{};
  for (int i = 0; i < n; ++i) {
    const std::uint32_t k = draw.below(bound);
    REQUIRE(k < bound);
    ++counts[k];
  }
  double chi_squared = 0;
  for (const int count : counts)
    chi_squared += (count - n / 7.0) * (count - n / 7.0) / (n / 7.0);
  CHECK(chi_squared < 30.0); // 6 degrees of freedom: exceeded by chance once in 25,000
  for (int i = 0; i < 100; ++i)
    CHECK(draw.below(1) == 0);
}

TEST_CASE("below is unbiased where the bound is close to the number of words") {
  // Taking the upper half of word * bound without rejection gives each third number twice here.
  random_stream draw({.seed = 14});
  constexpr std::uint32_t bound = 3U << 30;
  constexpr int n = 30'000;
  std::array<int, 3> counts{};
  for (int i = 0; i < n; ++i)
    ++counts[draw.below(bound) % 3];
  for (const int count : counts)
    CHECK(std::abs(count - n / 3) < 500);
}

TEST_CASE("many blocks at once are the blocks one by one") {
  const random_key key{.seed = 5, .purpose = random_purpose::rounding, .a = 7, .b = 9};
  for (const std::size_t n : {0U, 1U, 3U, 16U, 37U, 128U}) {
    const std::uint64_t first = (std::uint64_t{3} << 32) + 1000;
    std::vector<std::uint32_t> filled(4 * n);
    philox_fill(key, first, filled);
    for (std::size_t j = 0; j < n; ++j) {
      const auto block = philox(key, first + j);
      for (std::size_t k = 0; k < 4; ++k)
        REQUIRE(filled[k * n + j] == block[k]);
    }
  }
}
