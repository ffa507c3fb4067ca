// A cluster that you do not have: the same wiring on this machine, and in virtual time on eight
// nodes with slow links, of which one dies, one stands still and one is cut off for a while.
//   build/release/examples/simulated_cluster
// prints both digests and "the same bits"; then what links of two kinds make of two wirings.
#include <troupe.hpp>

#include <chrono>
#include <cstdio>

namespace {

using namespace troupe;
using namespace std::chrono_literals;

// Only sizes and times: no mathematics, so larger clusters take no longer than a moment.
double images_per_second(const wiring& w, const link_model& link) {
  simulated_cluster where{.timing_only = true};
  where.model.link = link;
  return where.start(w).wait().images_per_second;
}

} // namespace

int main() {
  const job images{.model = lenet(),
                   .data = load_data("synthetic:2048", 1),
                   .learning_rate = {.base = 0.02F},
                   .batch = 256,
                   .microbatches = 8,
                   .steps = 6};
  const wiring eight = data_parallel(images, {.replicas = 8});
  const auto live = cluster{}.start(eight, {.evaluate = false}).wait();

  simulated_cluster storm;
  storm.model.link = {.latency = 1ms, .jitter = 300us, .bytes_per_second = 125e6, .loss = 0.01};
  storm.model.faults = {{10ms, kill_fault{parse_address("layer_shard/3")}},
                        {20ms, pause_fault{5}},
                        {60ms, resume_fault{5}},
                        {30ms, cut_fault{2, 0}},
                        {90ms, heal_fault{2, 0}}};
  const auto simulated = storm.start(eight, {.evaluate = false}).wait();
  std::printf(
      "live       digest %016llx, %.3f s\nsimulated  digest %016llx, %.3f s of virtual time, "
      "%lld restarts, %llu messages\n%s\n",
      static_cast<unsigned long long>(live.parameter_digest),
      live.seconds,
      static_cast<unsigned long long>(simulated.parameter_digest),
      simulated.seconds,
      static_cast<long long>(simulated.restarts),
      static_cast<unsigned long long>(simulated.simulation->events),
      live.parameter_digest == simulated.parameter_digest ? "the same bits" : "OTHER BITS");

  const wiring pipe = hybrid(images, {.replicas = 2, .stages = 4});
  const link_model fast{.latency = 5us, .bytes_per_second = 12.5e9};
  const link_model slow{.latency = 500us, .bytes_per_second = 12.5e6};
  for (const auto& [name, link] : {std::pair{"fast links", fast}, std::pair{"slow links", slow}})
    std::printf("%s: %.0f images/s data parallel, %.0f as 2 x 4 stages\n",
                name,
                images_per_second(eight, link),
                images_per_second(pipe, link));
}
