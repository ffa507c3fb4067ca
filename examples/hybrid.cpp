// Two replicas of a pipeline of two stages; a stage of each is killed in the middle of training.
//   build/release/examples/hybrid
// prints the wiring, the two restarts, and "the bits of an undisturbed replica".
#include <troupe.hpp>

#include <cstdio>

int main() {
  using namespace troupe;

  const job shapes{.model = resnet20(),
                   .data = load_data("synthetic:512", 1),
                   .learning_rate = {.base = 0.02F},
                   .augment = {.flip = true, .crop_padding = 2},
                   .batch = 32,
                   .microbatches = 8, // four for each replica
                   .steps = 6};
  const wiring grid = hybrid(shapes, {.replicas = 2, .stages = 2, .schedule = "zero-bubble"});
  std::printf("%s\n", grid.text().c_str());

  const auto told = [](const run_event& e) {
    if (const auto* step = std::get_if<step_event>(&e))
      std::printf("step %lld  loss %.4f\n", static_cast<long long>(step->step), step->loss);
    if (const auto* fault = std::get_if<fault_event>(&e))
      std::printf(
          "%s died and was replaced in %.1f ms\n", fault->who.text().c_str(), fault->recovery_ms);
  };
  const address first_half{.role = role_kind::layer_shard, .replica = 0, .stage = 0},
      second_half{.role = role_kind::layer_shard, .replica = 1, .stage = 1};
  const auto result = cluster{}
                          .start(grid,
                                 {.evaluate = false,
                                  .kills = {{first_half, 2, 3}, {second_half, 4, 2}},
                                  .observer = told})
                          .wait();

  const auto calm = cluster{}.start(data_parallel(shapes), {.evaluate = false}).wait();
  std::printf("digest %016llx: %s\n",
              static_cast<unsigned long long>(result.parameter_digest),
              result.parameter_digest == calm.parameter_digest
                  ? "the bits of an undisturbed replica"
                  : "OTHER BITS");
}
