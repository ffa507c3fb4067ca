// Whether a device encodes and decodes halves with the bits of the CPU.
#pragma once

#include "gpu/device_values.hpp"
#include "gpu/updates.hpp"
#include "ops/half_floats.hpp"

#include <bit>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

namespace troupe::test {

inline std::vector<std::uint32_t> words_of(const std::vector<float>& values) {
  std::vector<std::uint32_t> out;
  for (const float value : values)
    out.push_back(std::bit_cast<std::uint32_t>(value));
  return out;
}

inline std::vector<float> floats_of(const std::vector<std::uint32_t>& words) {
  std::vector<float> out(words.size());
  if (!words.empty()) std::memcpy(out.data(), words.data(), words.size() * sizeof(float));
  return out;
}

// Halves in pairs, the first in the low bits.
inline std::vector<std::uint32_t> paired(const std::vector<std::uint16_t>& halves) {
  std::vector<std::uint32_t> out((halves.size() + 1) / 2);
  for (std::size_t i = 0; i < halves.size(); ++i)
    out[i / 2] |= std::uint32_t{halves[i]} << (i % 2 * 16);
  return out;
}

// "" where the first `count` of all halves, and `count` floats of any kind, become what they do on
// the CPU.
template <class Half>
std::string difference_of_halves(gpu::half_format format,
                                 std::size_t count,
                                 const std::shared_ptr<gpu::device>& device) {
  const auto values = any_floats(count, 0);
  std::vector<std::uint16_t> encoded, given;
  std::vector<float> decoded;
  for (const float value : values) {
    encoded.push_back(Half::of(value));
    given.push_back(static_cast<std::uint16_t>(given.size()));
    decoded.push_back(Half::to_float(given.back()));
  }
  const device_values from(device, values), to(device, floats_of(paired(given)));
  const device_values back(device, values);
  device->decode_halves(format, to.at(), back.at(), back.count);
  if (words_of(back.back()) != words_of(decoded)) return "other floats of halves";
  device->encode_halves(format, from.at(), to.at(), from.count);
  if (words_of(to.back()) != paired(encoded)) return "other halves of floats";
  return "";
}

} // namespace troupe::test
