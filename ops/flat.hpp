// Loops over flat ranges, compiled for several instruction sets and chosen when the program starts.
// Element by element, without contraction: the bits do not depend on where a range is cut.
#pragma once

#include "ops/update_rules.hpp"

#include <span>

namespace troupe {

void flat_sum(std::span<const float> left, std::span<const float> right, std::span<float> out);

// momentum: empty where the constant is 0
void flat_sgd(const sgd_constants& c,
              std::span<const float> parameters,
              std::span<const float> gradient,
              std::span<float> out,
              float* momentum);

void flat_adam(const adam_constants& c,
               std::span<const float> parameters,
               std::span<const float> gradient,
               std::span<float> out,
               float* first_moment,
               float* second_moment);

} // namespace troupe
