#include "ops/learning_rate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace troupe {

float learning_rate::at(std::int64_t step, std::int64_t steps) const {
  if (step < warmup_steps)
    return base * static_cast<float>(step + 1) / static_cast<float>(warmup_steps);
  switch (kind) {
  case shape_kind::constant:
    return base;
  case shape_kind::step: {
    float rate = base;
    for (const auto m : milestones)
      if (step >= m) rate *= gamma;
    return rate;
  }
  case shape_kind::cosine: {
    const double length = static_cast<double>(std::max<std::int64_t>(steps - warmup_steps, 1));
    const double done = std::min(1.0, static_cast<double>(step - warmup_steps) / length);
    const double fraction =
        final_fraction + (1.0 - final_fraction) * 0.5 * (1.0 + std::cos(std::numbers::pi * done));
    return static_cast<float>(base * fraction);
  }
  }
  return base;
}

std::string learning_rate::text() const {
  std::string out = fmt::format("{:g}", base);
  if (kind == shape_kind::cosine) out += " cosine";
  if (kind == shape_kind::cosine && final_fraction > 0)
    out += fmt::format(" to {:g}", base * final_fraction);
  if (kind == shape_kind::step)
    out += fmt::format(" x {:g} at steps {}", gamma, fmt::join(milestones, ", "));
  if (warmup_steps > 0) out += fmt::format(", {} steps of warm-up", warmup_steps);
  return out;
}

} // namespace troupe
