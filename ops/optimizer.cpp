#include "ops/optimizer.hpp"

#include "ops/flat.hpp"

#include <fmt/format.h>

#include <cmath>

namespace troupe {

int slots(const optimizer& o) {
  if (const auto* s = std::get_if<sgd>(&o)) return s->momentum != 0.0F ? 1 : 0;
  return 2;
}

namespace {

template <class Adam>
adam_constants constants_of(const Adam& a, float rate, std::int64_t step) {
  const double t = static_cast<double>(step + 1);
  return {.rate = rate,
          .beta1 = a.beta1,
          .beta2 = a.beta2,
          .epsilon = a.epsilon,
          .correction1 = static_cast<float>(1.0 - std::pow(double{a.beta1}, t)),
          .correction2_root = static_cast<float>(std::sqrt(1.0 - std::pow(double{a.beta2}, t))),
          .coupled_decay = 0.0F,
          .decoupled_factor = 1.0F};
}

} // namespace

void update(const optimizer& o,
            float learning_rate,
            std::int64_t step,
            std::span<const float> parameters,
            std::span<const float> gradient,
            std::span<float> new_parameters,
            std::span<float* const> state) {
  if (const auto* s = std::get_if<sgd>(&o)) {
    flat_sgd({learning_rate, s->momentum, s->weight_decay, s->nesterov},
             parameters,
             gradient,
             new_parameters,
             state.empty() ? nullptr : state[0]);
    return;
  }
  adam_constants c{};
  if (const auto* a = std::get_if<adam>(&o)) {
    c = constants_of(*a, learning_rate, step);
    c.coupled_decay = a->weight_decay;
  } else {
    const auto& w = std::get<adamw>(o);
    c = constants_of(w, learning_rate, step);
    c.decoupled_factor = 1.0F - learning_rate * w.weight_decay;
  }
  flat_adam(c, parameters, gradient, new_parameters, state[0], state[1]);
}

std::string text(const optimizer& o) {
  std::string out;
  float decay = 0;
  if (const auto* s = std::get_if<sgd>(&o)) {
    out = "sgd";
    if (s->momentum != 0.0F) out += fmt::format(" momentum {:g}", s->momentum);
    if (s->nesterov) out += " nesterov";
    decay = s->weight_decay;
  } else if (const auto* a = std::get_if<adam>(&o)) {
    out = fmt::format("adam beta {:g} {:g} epsilon {:g}", a->beta1, a->beta2, a->epsilon);
    decay = a->weight_decay;
  } else {
    const auto& w = std::get<adamw>(o);
    out = fmt::format("adamw beta {:g} {:g} epsilon {:g}", w.beta1, w.beta2, w.epsilon);
    decay = w.weight_decay;
  }
  if (decay != 0.0F) out += fmt::format(" weight decay {:g}", decay);
  return out;
}

} // namespace troupe
