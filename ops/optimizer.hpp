// Optimizers: update rules and defaults of torch.optim. One call updates a flat range; the state of
// a range is `slots(o)` floats per parameter. Element-wise, so any cut of the range gives the same
// bits.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <variant>

namespace troupe {

struct sgd { // torch.optim.SGD
  float momentum = 0.0F;
  bool nesterov = false;
  float weight_decay = 0.0F;
};

struct adam { // Kingma & Ba 2015, algorithm 1, bias-corrected; weight decay added to the gradient
  float beta1 = 0.9F;
  float beta2 = 0.999F;
  float epsilon = 1e-8F;
  float weight_decay = 0.0F;
};

struct adamw { // Loshchilov & Hutter 2019, algorithm 2: decay apart from the gradient
  float beta1 = 0.9F;
  float beta2 = 0.999F;
  float epsilon = 1e-8F;
  float weight_decay = 0.01F;
};

using optimizer = std::variant<sgd, adam, adamw>;

int slots(const optimizer& o); // sgd: 0 or 1 (momentum); adam, adamw: 2

// new_parameters = update(parameters, gradient, state); all spans of one length. `state[k]` is slot
// k, updated in place. `step` counts from 0. new_parameters may not overlap parameters.
void update(const optimizer& o,
            float learning_rate,
            std::int64_t step,
            std::span<const float> parameters,
            std::span<const float> gradient,
            std::span<float> new_parameters,
            std::span<float* const> state);

std::string text(const optimizer& o); // "sgd momentum 0.9 nesterov"

} // namespace troupe
