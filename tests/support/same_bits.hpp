// Whether tensors hold the same bytes: -0 is not 0 here, and a NaN is itself.
#pragma once

#include "ops/tensor.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

namespace troupe::test {

inline bool same_bits(const tensor& a, const tensor& b) {
  return a.bytes() == b.bytes() && std::memcmp(a.data(), b.data(), a.bytes()) == 0;
}

inline bool same_bits(const std::vector<tensor>& a, const std::vector<tensor>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const tensor& x, const tensor& y) {
    return same_bits(x, y);
  });
}

} // namespace troupe::test
