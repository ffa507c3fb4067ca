#include "cli/class_table.hpp"

#include "ops/files/checkpoint.hpp"
#include "ops/files/count_text.hpp"
#include "ops/program.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::cli {

namespace {

constexpr std::int64_t evaluation_batch = 100;

} // namespace

std::vector<class_score> score_classes(const model& m,
                                       const std::string& weights,
                                       const dataset& data,
                                       const pixel_transform& pixels) {
  const graph g = build_graph(m, data.image);
  const auto program = compile_cpu(g, {.microbatch = evaluation_batch, .training = false});
  const auto blocks = load_weights(weights, program->layout());
  program->bind(blocks);
  const auto classes = static_cast<std::size_t>(g.output().elements());
  std::vector<std::vector<std::int64_t>> taken(classes, std::vector<std::int64_t>(classes, 0));
  for (std::int64_t first = 0; first < data.size(); first += evaluation_batch) {
    program->forward(read_plain(data, pixels, first, evaluation_batch).inputs, {});
    const auto out = program->output();
    const std::int64_t rows = std::min(evaluation_batch, data.size() - first);
    for (std::int64_t row = 0; row < rows; ++row) {
      const auto scores = out.subspan(static_cast<std::size_t>(row) * classes, classes);
      const auto best = std::max_element(scores.begin(), scores.end()) - scores.begin();
      ++taken[data.labels[static_cast<std::size_t>(first + row)]][static_cast<std::size_t>(best)];
    }
  }
  std::vector<class_score> result(classes);
  for (std::size_t c = 0; c < classes; ++c) {
    std::int64_t most = 0;
    for (std::size_t other = 0; other < classes; ++other) {
      result[c].images += taken[c][other];
      if (other == c || taken[c][other] <= most) continue;
      most = taken[c][other];
      result[c].mistaken_as = static_cast<std::int64_t>(other);
    }
    result[c].correct = taken[c][c];
  }
  return result;
}

std::string class_table(const std::vector<class_score>& scores) {
  std::string out =
      fmt::format("{:>5}{:>9}{:>11}  {}\n", "class", "images", "accuracy", "taken for");
  for (std::size_t c = 0; c < scores.size(); ++c) {
    const class_score& s = scores[c];
    const double part =
        s.images > 0 ? static_cast<double>(s.correct) / static_cast<double>(s.images) : 0;
    out += fmt::format("{:>5}{:>9}{:>9.1f} %  {}\n",
                       c,
                       count_text(s.images),
                       part * 100,
                       s.mistaken_as < 0 ? "" : std::to_string(s.mistaken_as));
  }
  return out;
}

} // namespace troupe::cli
