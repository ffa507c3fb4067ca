#include "troupe/model_parts.hpp"

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

namespace troupe {

std::vector<piece> pieces_of(const job& j) {
  const graph g = graph_of(j);
  return pieces_of(
      g, {.microbatch = std::max<std::int64_t>(1, j.batch / std::max(1U, j.microbatches))});
}

std::vector<model_part> parts_of(const std::vector<piece>& pieces, const std::vector<int>& cut) {
  std::vector<model_part> out;
  for (std::size_t p = 0; p <= cut.size(); ++p) {
    const auto first = p == 0 ? 0 : static_cast<std::size_t>(cut[p - 1]);
    const auto last = p == cut.size() ? pieces.size() : static_cast<std::size_t>(cut[p]);
    model_part part{pieces[first].name, static_cast<int>(last - first)};
    if (last - first > 1) part.layers += " .. " + pieces[last - 1].name;
    for (std::size_t i = first; i < last; ++i) {
      part.flops += pieces[i].flops;
      part.elements += pieces[i].elements;
    }
    out.push_back(std::move(part));
  }
  return out;
}

std::vector<int> balanced_cut(const std::vector<double>& costs, int parts) {
  const auto n = static_cast<int>(costs.size());
  std::vector<double> sums(costs.size() + 1, 0);
  std::partial_sum(costs.begin(), costs.end(), sums.begin() + 1);
  const auto cost = [&](int first, int last) {
    return sums[static_cast<std::size_t>(last)] - sums[static_cast<std::size_t>(first)];
  };
  // best[k][i]: the dearest of k parts over the first i pieces; from: where the last one begins.
  const auto width = static_cast<std::size_t>(n) + 1;
  std::vector<std::vector<double>> best(
      static_cast<std::size_t>(parts) + 1,
      std::vector<double>(width, std::numeric_limits<double>::infinity()));
  std::vector<std::vector<int>> from(static_cast<std::size_t>(parts) + 1,
                                     std::vector<int>(width, 0));
  best[0][0] = 0;
  for (int k = 1; k <= parts; ++k)
    for (int i = k; i <= n; ++i)
      for (int at = k - 1; at < i; ++at) {
        const auto row = static_cast<std::size_t>(k), column = static_cast<std::size_t>(i);
        const double dearest = std::max(best[row - 1][static_cast<std::size_t>(at)], cost(at, i));
        if (dearest >= best[row][column]) continue;
        best[row][column] = dearest;
        from[row][column] = at;
      }
  std::vector<int> out;
  for (int k = parts, i = n; k > 1; --k) {
    i = from[static_cast<std::size_t>(k)][static_cast<std::size_t>(i)];
    out.insert(out.begin(), i);
  }
  return out;
}

} // namespace troupe
