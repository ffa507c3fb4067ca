#include "actors/evaluator.hpp"
#include "ops/files/checkpoint.hpp"
#include "ops/program.hpp"
#include "troupe/cluster.hpp"

#include <algorithm>
#include <numeric>

namespace troupe {

evaluation evaluate(const model& m,
                    const std::string& weights,
                    const dataset_ptr& data,
                    const pixel_transform& pixels,
                    const loss& l) {
  const auto compiled =
      compile_cpu(build_graph(m, data->image), {.microbatch = evaluation_batch, .training = false});
  compiled->bind(load_weights(weights, compiled->layout()));
  const auto sums = evaluate_part(*compiled, l, *data, pixels, 0, 1);
  const auto n = static_cast<double>(std::max<std::int64_t>(sums.images, 1));
  return {std::accumulate(sums.losses.begin(), sums.losses.end(), 0.0) / n,
          static_cast<double>(sums.correct) / n,
          sums.images};
}

} // namespace troupe
