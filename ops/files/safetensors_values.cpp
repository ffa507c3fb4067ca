#include "ops/files/safetensors_values.hpp"

#include <bit>
#include <cmath>
#include <cstring>

namespace troupe {

namespace {

template <class Stored, class Result, class Convert>
std::vector<Result> converted(std::string_view raw, Convert convert) {
  std::vector<Result> results(raw.size() / sizeof(Stored));
  for (std::size_t i = 0; i < results.size(); ++i) {
    Stored stored;
    std::memcpy(&stored, raw.data() + i * sizeof(Stored), sizeof(Stored));
    results[i] = convert(stored);
  }
  return results;
}

} // namespace

std::uint64_t bytes_of_dtype(const std::string& dtype) {
  if (dtype == "F16" || dtype == "BF16") return 2;
  if (dtype == "F32" || dtype == "I32") return 4;
  if (dtype == "F64" || dtype == "I64") return 8;
  return 0;
}

float float_of_half(std::uint16_t bits) noexcept {
  const std::uint32_t sign = (bits & 0x8000U) << 16;
  const std::uint32_t exponent = (bits >> 10) & 0x1fU;
  const std::uint32_t fraction = bits & 0x3ffU;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000U | fraction << 13);
  if (exponent == 0) {
    const float magnitude = std::ldexp(static_cast<float>(fraction), -24);
    return sign != 0 ? -magnitude : magnitude;
  }
  return std::bit_cast<float>(sign | (exponent + 112) << 23 | fraction << 13);
}

void convert_values(std::string_view raw, stored_tensor& t) {
  if (t.dtype == "F32") {
    // Bytes are copied, not floats: a NaN keeps its payload.
    t.values.resize(raw.size() / sizeof(float));
    if (!raw.empty()) std::memcpy(t.values.data(), raw.data(), raw.size());
  } else if (t.dtype == "F64") {
    t.values = converted<double, float>(raw, [](double v) { return static_cast<float>(v); });
  } else if (t.dtype == "F16") {
    t.values = converted<std::uint16_t, float>(raw, float_of_half);
  } else if (t.dtype == "BF16") {
    t.values = converted<std::uint16_t, float>(
        raw, [](std::uint16_t v) { return std::bit_cast<float>(std::uint32_t{v} << 16); });
  } else if (t.dtype == "I32") {
    t.integers = converted<std::int32_t, std::int64_t>(raw, [](std::int32_t v) { return v; });
  } else {
    t.integers = converted<std::int64_t, std::int64_t>(raw, [](std::int64_t v) { return v; });
  }
}

} // namespace troupe
