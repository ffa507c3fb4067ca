// What each optimizer does to one parameter, for whatever goes through the parameters. `Real` is
// float where nothing is contracted (-ffp-contract=off), else a type whose operations are rounded
// one by one: then all have the same bits.
#pragma once

#include "ops/host_device.hpp"
#include "ops/optimizer.hpp"

#include <cmath>
#include <cstdint>
#include <variant>

namespace troupe {

struct sgd_constants {
  float rate, momentum, weight_decay;
  bool nesterov;
};

struct adam_constants {
  float beta1, beta2, epsilon;
  float step_size;        // rate / (1 - beta1^t)
  float correction2_root; // sqrt(1 - beta2^t)
  float coupled_decay;    // added to the gradient (Adam)
  float decoupled_factor; // of the parameter, 1 - rate * decay (AdamW)
};

// `step` counts from 0.
std::variant<sgd_constants, adam_constants>
constants_of(const optimizer& o, float learning_rate, std::int64_t step);

// The new parameter of w and its gradient g; m and v are its state, updated.

template <class Real>
TROUPE_HOST_DEVICE Real sgd_step(const sgd_constants& c, Real w, Real g) {
  return w - Real(c.rate) * (g + Real(c.weight_decay) * w);
}

template <class Real>
TROUPE_HOST_DEVICE Real momentum_step(const sgd_constants& c, Real w, Real g, Real& m) {
  m = Real(c.momentum) * m + (g + Real(c.weight_decay) * w);
  return w - Real(c.rate) * m;
}

template <class Real>
TROUPE_HOST_DEVICE Real nesterov_step(const sgd_constants& c, Real w, Real g, Real& m) {
  const Real d = g + Real(c.weight_decay) * w;
  m = Real(c.momentum) * m + d;
  return w - Real(c.rate) * (d + Real(c.momentum) * m);
}

template <class Real>
TROUPE_HOST_DEVICE Real adam_step(const adam_constants& c, Real w, Real g, Real& m, Real& v) {
  using std::sqrt;
  const Real d = g + Real(c.coupled_decay) * w;
  m = Real(c.beta1) * m + Real(1.0F - c.beta1) * d;
  v = Real(c.beta2) * v + Real(1.0F - c.beta2) * d * d;
  const Real denominator = sqrt(v) / Real(c.correction2_root) + Real(c.epsilon);
  return w * Real(c.decoupled_factor) - Real(c.step_size) * (m / denominator);
}

} // namespace troupe
