#include "ops/data/sampler.hpp"
#include "troupe/model_parts.hpp"
#include "troupe/price.hpp"

#include <algorithm>
#include <array>
#include <vector>

namespace troupe {

namespace {

struct nobody final : gradient_sink {
  void on_gradient(int, tensor) override {}
};

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

} // namespace

// The whole model runs in the shape of a microbatch on the job's first images, from the parameters
// that the job would begin with. The first step is not counted: it finds cold memory.
std::vector<piece_cost> measured_costs(const job& j, int rounds) {
  if (const auto mistakes = mistakes_of(j); !mistakes.empty()) throw joined(mistakes);
  const graph g = graph_of(j);
  const auto p = compile_cpu(g, {.microbatch = j.batch / j.microbatches});
  const auto parameters = initial_parameters(p->layout(), j.seed);
  microbatch_reader reader(j.data.train,
                           {j.batch, j.microbatches, j.shuffle, j.balanced_sampling, j.seed},
                           j.augment,
                           j.loss,
                           static_cast<int>(g.output().elements()));
  const auto data = reader.read(0, 0);
  nobody sink;
  std::vector<std::array<std::vector<double>, 4>> seconds(pieces_of(j).size()); // by phase
  for (int round = 0; round <= std::max(1, rounds); ++round) {
    p->profile(true);
    p->bind(parameters);
    p->forward(data.inputs, {j.seed, 0, 0});
    p->compute_loss(j.loss, data.targets, data.normaliser);
    p->backward(sink);
    if (round == 0) continue;
    std::vector<std::array<double, 4>> sums(seconds.size());
    for (const auto& kernel : p->profile())
      sums[static_cast<std::size_t>(kernel.piece)][static_cast<std::size_t>(kernel.phase)] +=
          kernel.seconds;
    for (std::size_t i = 0; i < sums.size(); ++i)
      for (std::size_t phase = 0; phase < sums[i].size(); ++phase)
        seconds[i][phase].push_back(sums[i][phase]);
  }
  std::vector<piece_cost> out;
  for (const auto& [bind, forward, inputs, weights] : seconds)
    out.push_back({median(forward), median(inputs), median(weights), median(bind)});
  return out;
}

} // namespace troupe
