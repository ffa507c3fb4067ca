#include "ops/optimizer.hpp"

#include "ops/flat.hpp"
#include "ops/update_rules.hpp"

#include <fmt/format.h>

namespace troupe {

int slots(const optimizer& o) {
  if (const auto* s = std::get_if<sgd>(&o)) return s->momentum != 0.0F ? 1 : 0;
  return 2;
}

void update(const optimizer& o,
            float learning_rate,
            std::int64_t step,
            std::span<const float> parameters,
            std::span<const float> gradient,
            std::span<float> new_parameters,
            std::span<float* const> state) {
  const auto constants = constants_of(o, learning_rate, step);
  if (const auto* c = std::get_if<sgd_constants>(&constants))
    flat_sgd(*c, parameters, gradient, new_parameters, state.empty() ? nullptr : state[0]);
  else
    flat_adam(std::get<adam_constants>(constants),
              parameters,
              gradient,
              new_parameters,
              state[0],
              state[1]);
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
