// Loops over flat ranges, compiled for several instruction sets and chosen when the program starts.
// Element by element, without contraction: the bits do not depend on where a range is cut.
#pragma once

#include <span>

namespace troupe {

void flat_sum(std::span<const float> left, std::span<const float> right, std::span<float> out);

struct sgd_constants {
  float rate, momentum, weight_decay;
  bool nesterov;
};

// momentum: empty where the constant is 0
void flat_sgd(const sgd_constants& c,
              std::span<const float> parameters,
              std::span<const float> gradient,
              std::span<float> out,
              float* momentum);

struct adam_constants {
  float rate, beta1, beta2, epsilon;
  float correction1;      // 1 - beta1^t
  float correction2_root; // sqrt(1 - beta2^t)
  float coupled_decay;    // added to the gradient (Adam)
  float decoupled_factor; // of the parameter, 1 - rate * decay (AdamW)
};

void flat_adam(const adam_constants& c,
               std::span<const float> parameters,
               std::span<const float> gradient,
               std::span<float> out,
               float* first_moment,
               float* second_moment);

} // namespace troupe
