// What one output adds to a loss, and to its gradient: for whoever goes through the outputs, a CPU
// or a GPU. In double.
#pragma once

#include "ops/host_device.hpp"

#include <cmath>

namespace troupe {

struct loss_term {
  double value, slope; // slope: of the value, over the output
};

// (z - t)^2
struct squared_error {
  TROUPE_HOST_DEVICE loss_term operator()(double z, double t) const {
    const double d = z - t;
    return {d * d, 2.0 * d};
  }
};

// max(z, 0) - z t + log(1 + exp(-|z|)), which does not overflow
struct logistic_error {
  TROUPE_HOST_DEVICE loss_term operator()(double z, double t) const {
    const double above = z < 0.0 ? 0.0 : z;
    const double p = 1.0 / (1.0 + std::exp(-z));
    return {above - z * t + std::log1p(std::exp(-std::abs(z))), p - t};
  }
};

// With weights w and smoothing e over C classes (torch.nn.functional.cross_entropy):
//   loss_i = (1 - e) w_y (-log p_y) + e / C sum_c w_c (-log p_c)
//   d loss_i / d z_c = p_c S - (1 - e) w_y [c = y] - e / C w_c,  S = (1 - e) w_y + e / C sum_c w_c
struct softmax_row {
  double label_weight;  // (1 - e) w_y
  double share;         // e / C
  double weights;       // S
  double log_total = 0; // log sum_c exp(z_c)

  TROUPE_HOST_DEVICE
  softmax_row(double smoothing, double classes, double weight_of_label, double all_weights)
      : label_weight((1.0 - smoothing) * weight_of_label),
        share(smoothing / classes),
        weights(label_weight + share * all_weights) {}

  [[nodiscard]] TROUPE_HOST_DEVICE double value_of_label(double z) const {
    return label_weight * (log_total - z);
  }

  [[nodiscard]] TROUPE_HOST_DEVICE double value_of_class(double z, double weight) const {
    return share * weight * (log_total - z);
  }

  [[nodiscard]] TROUPE_HOST_DEVICE double slope(double z, double weight, bool is_label) const {
    const double p = std::exp(z - log_total);
    return p * weights - (is_label ? label_weight : 0.0) - share * weight;
  }
};

} // namespace troupe
