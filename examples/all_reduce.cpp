// Data parallel in the two classic ways: one parameter server, and all-reduce.
//   build/release/examples/all_reduce
// prints both wirings with their speed, and "the same bits".
//
// All-reduce is a wiring, too: every node hosts the aggregator and the holder of its share of the
// parameters. Gradients go to whose they are (reduce-scatter), new parameters come back from there
// (all-gather), and the optimizer's state is shared out for free.
#include <troupe.hpp>

#include <cstdio>

int main() {
  using namespace troupe;

  const job shapes{.model = lenet(),
                   .data = load_data("synthetic:2048", 1),
                   .optimizer = adam{},
                   .learning_rate = {.base = 0.001F},
                   .batch = 128,
                   .microbatches = 2,
                   .steps = 6};
  // Layers larger than 256 KiB are split, so that the holders' shares are about equal.
  const wiring server =
      hybrid(shapes, {.replicas = 2, .holders = 1, .block_bytes_max = 256 * 1024});
  const wiring all_reduce =
      hybrid(shapes, {.replicas = 2, .holders = 0, .block_bytes_max = 256 * 1024});

  std::uint64_t digests[2] = {};
  for (int i = 0; i < 2; ++i) {
    const wiring& w = i == 0 ? server : all_reduce;
    const auto result = cluster{}.start(w, {.evaluate = false}).wait();
    std::printf("%s%.0f images/s, digest %016llx\n\n",
                w.text().c_str(),
                result.images_per_second,
                static_cast<unsigned long long>(result.parameter_digest));
    digests[i] = result.parameter_digest;
  }
  std::printf("%s\n", digests[0] == digests[1] ? "the same bits" : "OTHER BITS");
}
