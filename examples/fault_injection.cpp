// Trains a small network while random actors are killed twice a second, director, recorder
// and supervisor among them, and compares the result with the undisturbed run's.
//   build/release/examples/fault_injection
// prints who died, and "digest ...: the bits of the calm run".
#include <troupe.hpp>

#include <cstdio>

using namespace troupe;

namespace {

run_result train(const job& j, std::vector<injected_fault> faults) {
  return cluster{}
      .start(hybrid(j, {.replicas = 2, .stages = 2, .holder_copies = 2}),
             {.faults = std::move(faults)})
      .wait();
}

} // namespace

int main() {
  const job j{.model = sequential(conv2d{.channels = 16, .kernel = 3, .padding = 1},
                                  batch_norm{},
                                  relu{},
                                  max_pool2d{},
                                  flatten{},
                                  dropout{0.25F},
                                  dense{64},
                                  relu{},
                                  dense{10}),
              .data = load_data("synthetic:2048", 3),
              .optimizer = sgd{.momentum = 0.9F},
              .batch = 64,
              .microbatches = 4,
              .epochs = 10};
  const auto calm = train(j, {});
  const auto stormy = train(j, parse_injected_faults("2/s kill any", "example"));
  for (const fault_record& r : stormy.faults)
    std::printf("%s after %d steps, back in %.2f ms\n",
                text(r.what).c_str(),
                static_cast<int>(r.step),
                r.recovery_ms.value_or(0));
  std::printf("%d kills, %.1f s instead of %.1f s\n",
              static_cast<int>(stormy.faults.size()),
              stormy.seconds,
              calm.seconds);
  const bool same = stormy.parameter_digest == calm.parameter_digest;
  std::printf("digest %016llx: %s\n",
              static_cast<unsigned long long>(stormy.parameter_digest),
              same ? "the bits of the calm run" : "OTHER BITS");
  return same ? 0 : 1;
}
