// Whether a GPU computes what the CPU does.
#pragma once

#include "ops/kernels/parts.hpp"

#include <algorithm>
#include <cmath>
#include <string>

namespace troupe::kernel_tests {

// Of values that were summed in another order.
constexpr float tolerance = 1e-5F;

inline std::string difference(const bits& a, const bits& b) {
  if (a.size() != b.size()) return "other parameters";
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i].size() != b[i].size()) return "other sizes of " + std::to_string(i);
    float most = 1;
    for (const float v : a[i])
      most = std::max(most, std::abs(v));
    for (std::size_t j = 0; j < a[i].size(); ++j)
      if (!(std::abs(a[i][j] - b[i][j]) <= tolerance * most))
        return std::to_string(i) + "[" + std::to_string(j) + "]: " + std::to_string(a[i][j]) +
               " and " + std::to_string(b[i][j]);
  }
  return "";
}

inline network flat_dropout() {
  return {
      "flat dropout", {20}, 8, sequential(dense{32}, dropout{0.4F}, tanh_activation{}, dense{5})};
}

inline network named(const std::string& name) {
  for (network& n : networks())
    if (n.name == name) return n;
  return {};
}

} // namespace troupe::kernel_tests
