// Learning-rate schedules: pure functions of the step.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace troupe {

struct learning_rate {
  enum class shape_kind { constant, step, cosine };

  float base = 0.1F;
  shape_kind kind = shape_kind::constant;
  std::vector<std::int64_t> milestones; // kind step: in steps, ascending
  float gamma = 0.1F;                   // kind step: factor at each milestone
  float final_fraction = 0.0F;          // kind cosine: the end, as a fraction of base
  std::int64_t warmup_steps = 0;        // linear from base / warmup_steps up to base, any kind

  // The rate of `step` of `steps` (both from 0). Cosine runs from the end of warm-up to `steps`
  // (Loshchilov & Hutter 2017, eq. 5, one cycle).
  [[nodiscard]] float at(std::int64_t step, std::int64_t steps) const;
  [[nodiscard]] std::string text() const; // "0.05 cosine, 200 steps of warm-up"
};

} // namespace troupe
