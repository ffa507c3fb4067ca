#include "troupe/predicted_step.hpp"

#include <utility>
#include <variant>

namespace troupe {

double predicted_step_seconds(wiring w, simulated_cluster cluster) {
  constexpr std::int64_t warm_up = 8, counted = 24;
  w.job.steps = warm_up + counted;
  for (wired_role& role : w.roles)
    role.device = {}; // whose speed nobody knows
  cluster.timing_only = true;
  double begin = 0, end = 0;
  cluster
      .start(w,
             {.evaluate = false,
              .observer =
                  [&](const run_event& event) {
                    const auto* step = std::get_if<step_event>(&event);
                    if (step == nullptr) return;
                    if (step->step == warm_up) begin = step->seconds;
                    end = step->seconds;
                  }})
      .wait();
  return (end - begin) / static_cast<double>(counted);
}

} // namespace troupe
