// Floats of two bytes, to and from float: rounded to the nearest, ties to even.
//
// Integer operations and additions of normal floats only, after F. Giesen's float_to_half_fast3
// and half_to_float: every machine gives the same bits, vectorised at the speed of memory, so the
// processor's own conversions (F16C, AVX-512 BF16) have nothing to add.
#pragma once

#include "ops/host_device.hpp"

#include <cstdint>
#include <cstring>

namespace troupe {

namespace half_floats {

template <class To, class From>
TROUPE_HOST_DEVICE inline To same_bits(From from) { // kernels of GPUs have no std::bit_cast
  static_assert(sizeof(To) == sizeof(From));
  To out;
  std::memcpy(&out, &from, sizeof(To));
  return out;
}

constexpr std::uint32_t infinity_bits = 0x7F800000;

// A choice without a branch: GCC does not vectorise one that leaves out a float addition.
TROUPE_HOST_DEVICE inline std::uint32_t pick(bool condition, std::uint32_t yes, std::uint32_t no) {
  const std::uint32_t mask = 0U - static_cast<std::uint32_t>(condition);
  return (yes & mask) | (no & ~mask);
}

// 11 bits of precision, 6.1e-5 to 65,504, and less precise down to 6e-8. Larger finite values
// become 65,504.
struct fp16 {
  TROUPE_HOST_DEVICE static std::uint16_t of(float x) {
    const auto all = same_bits<std::uint32_t>(x);
    const std::uint32_t sign = (all >> 16) & 0x8000U, m = all & 0x7FFFFFFFU;
    // Below 2^-14: the addition rounds at 2^-24, the unit of the denormal halves.
    const std::uint32_t small =
        same_bits<std::uint32_t>(same_bits<float>(m) + 0.5F) - same_bits<std::uint32_t>(0.5F);
    // Exponent bias 127 to 15; half a unit less one, and one more if the unit's bit is set.
    const std::uint32_t normal = (m - (112U << 23) + 0xFFFU + ((m >> 13) & 1U)) >> 13;
    const std::uint32_t clipped = normal < 0x7BFFU ? normal : 0x7BFFU;
    const std::uint32_t finite = pick(m < (113U << 23), small, clipped);
    const std::uint32_t other = m > infinity_bits ? 0x7E00U : 0x7C00U;
    return static_cast<std::uint16_t>(sign | pick(m < infinity_bits, finite, other));
  }

  TROUPE_HOST_DEVICE static float to_float(std::uint16_t half) {
    const std::uint32_t sign = (std::uint32_t{half} & 0x8000U) << 16;
    const std::uint32_t m = (std::uint32_t{half} & 0x7FFFU) << 13;
    const std::uint32_t exponent = m & (0x1FU << 23);
    // A denormal half is what its bits add to 2^-14.
    const auto small =
        same_bits<std::uint32_t>(same_bits<float>(m + (113U << 23)) - same_bits<float>(113U << 23));
    const std::uint32_t normal = m + ((exponent == (0x1FU << 23) ? 224U : 112U) << 23);
    return same_bits<float>(sign | pick(exponent == 0, small, normal));
  }
};

// 8 bits of precision, the range of a float.
struct bf16 {
  TROUPE_HOST_DEVICE static std::uint16_t of(float x) {
    const auto all = same_bits<std::uint32_t>(x);
    const std::uint32_t rounded = (all + 0x7FFFU + ((all >> 16) & 1U)) >> 16;
    const bool nan = (all & 0x7FFFFFFFU) > infinity_bits;
    return static_cast<std::uint16_t>(nan ? (all >> 16) | 0x40U : rounded);
  }

  TROUPE_HOST_DEVICE static float to_float(std::uint16_t half) {
    return same_bits<float>(std::uint32_t{half} << 16);
  }
};

} // namespace half_floats

using half_floats::bf16;
using half_floats::fp16;

} // namespace troupe
