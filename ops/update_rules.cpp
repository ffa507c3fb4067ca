#include "ops/update_rules.hpp"

namespace troupe {

namespace {

template <class Adam>
adam_constants adam_constants_of(const Adam& a, float rate, std::int64_t step) {
  const double t = static_cast<double>(step + 1);
  return {.beta1 = a.beta1,
          .beta2 = a.beta2,
          .epsilon = a.epsilon,
          .step_size = rate / static_cast<float>(1.0 - std::pow(double{a.beta1}, t)),
          .correction2_root = static_cast<float>(std::sqrt(1.0 - std::pow(double{a.beta2}, t))),
          .coupled_decay = 0.0F,
          .decoupled_factor = 1.0F};
}

} // namespace

std::variant<sgd_constants, adam_constants>
constants_of(const optimizer& o, float learning_rate, std::int64_t step) {
  if (const auto* s = std::get_if<sgd>(&o))
    return sgd_constants{learning_rate, s->momentum, s->weight_decay, s->nesterov};
  adam_constants c{};
  if (const auto* a = std::get_if<adam>(&o)) {
    c = adam_constants_of(*a, learning_rate, step);
    c.coupled_decay = a->weight_decay;
  } else {
    const auto& w = std::get<adamw>(o);
    c = adam_constants_of(w, learning_rate, step);
    c.decoupled_factor = 1.0F - learning_rate * w.weight_decay;
  }
  return c;
}

} // namespace troupe
