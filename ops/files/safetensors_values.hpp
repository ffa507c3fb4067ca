// The element types of safetensors: sizes and conversion.
#pragma once

#include "ops/files/safetensors.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace troupe {

std::uint64_t bytes_of_dtype(const std::string& dtype); // 0: not one that is read

// Fills `values` or `integers` of `t` from the raw data. REQUIRES: a known dtype, whole elements.
void convert_values(std::string_view raw, stored_tensor& t);

float float_of_half(std::uint16_t bits) noexcept; // IEEE 754 binary16

} // namespace troupe
