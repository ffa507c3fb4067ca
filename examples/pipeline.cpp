// Cuts a CNN into a pipeline of two stages and trains it under every schedule.
//   build/release/examples/pipeline
// prints the cut, then for each schedule its picture and "the bits of the whole model".
#include <troupe.hpp>

#include <cstdio>

int main() {
  using namespace troupe;

  const job shapes{.model = cnn(),
                   .data = load_data("synthetic:1024", 1),
                   .optimizer = sgd{.momentum = 0.9F},
                   .learning_rate = {.base = 0.02F},
                   .batch = 64,
                   .microbatches = 8, // what flows through the stages
                   .steps = 4};
  const auto whole = cluster{}.start(data_parallel(shapes), {.evaluate = false}).wait();
  std::printf("%s\n", pipeline(shapes, {.stages = 2}).text().c_str());

  for (const auto& name : schedule_names()) {
    // Several parts of the model on each stage make the idle ends of a step shorter.
    const int chunks = name == "interleaved" ? 2 : 1;
    const schedule order = named_schedule(name, 2, 2 * chunks, shapes.microbatches);
    std::printf("%s", drawing(order, uniform_times(2 * chunks)).c_str());

    const wiring w = pipeline(shapes, {.stages = 2, .schedule = name, .chunks = chunks});
    const auto result = cluster{}.start(w, {.evaluate = false}).wait();
    std::printf("%.0f images/s, digest %016llx: %s\n\n",
                result.images_per_second,
                static_cast<unsigned long long>(result.parameter_digest),
                result.parameter_digest == whole.parameter_digest ? "the bits of the whole model"
                                                                  : "OTHER BITS");
  }
}
