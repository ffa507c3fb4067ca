#include "troupe/simulation_costs.hpp"

#include "troupe/model_parts.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe {

namespace {

// Bytes that pass the core for each element.
constexpr double bytes_of_sum = 12;    // two are read, one is written
constexpr double bytes_of_update = 24; // parameter, gradient, slots
constexpr double bytes_of_pixel = 5;   // a byte becomes a float
constexpr double bytes_of_write = 4;

struct cost_table {
  std::vector<piece_cost> parts; // seconds of a microbatch
  double image_seconds = 0;      // of evaluation
  double read_bytes = 0;         // of a microbatch
  double bytes_per_second = 1;
  std::chrono::nanoseconds overhead{0};

  [[nodiscard]] double seconds(const work& w) const {
    const auto amount = static_cast<double>(w.amount);
    const auto& part = parts[std::min(static_cast<std::size_t>(w.part), parts.size() - 1)];
    switch (w.kind) {
    case work_kind::forward:
      return amount * part.forward;
    case work_kind::backward:
      return amount * (part.backward_inputs + part.backward_weights);
    case work_kind::backward_inputs:
      return amount * part.backward_inputs;
    case work_kind::backward_weights:
      return amount * part.backward_weights;
    case work_kind::evaluate:
      return amount * image_seconds;
    case work_kind::read:
      return amount * read_bytes / bytes_per_second;
    case work_kind::sum:
      return amount * bytes_of_sum / bytes_per_second;
    case work_kind::update:
      return amount * bytes_of_update / bytes_per_second;
    case work_kind::write:
      break;
    }
    return amount * bytes_of_write / bytes_per_second;
  }
};

} // namespace

std::function<std::chrono::nanoseconds(const address&, const work&)>
cost_function(const wiring& w, const simulation_costs& costs) {
  const auto pieces = pieces_of(w.job);
  if (!costs.pieces.empty() && costs.pieces.size() != pieces.size())
    throw error({.what = fmt::format("{} costs for {} pieces", costs.pieces.size(), pieces.size()),
                 .where = "simulation_costs::pieces",
                 .help = "use measured_costs() of the same job"});
  const auto images = static_cast<double>(w.job.batch / w.job.microbatches);
  cost_table table{.bytes_per_second = costs.bytes_per_second, .overhead = costs.overhead};
  table.parts.resize(std::max<std::size_t>(1, w.parts.size()));
  auto part_of_piece = w.part_of_piece();
  part_of_piece.resize(pieces.size(), 0);
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const double counted = static_cast<double>(pieces[i].flops) * images / costs.flops_per_second;
    const auto cost =
        costs.pieces.empty() ? piece_cost{counted, counted, counted} : costs.pieces[i];
    auto& part = table.parts[static_cast<std::size_t>(part_of_piece[i])];
    part.forward += cost.forward;
    part.backward_inputs += cost.backward_inputs + (w.recompute ? cost.forward : 0);
    part.backward_weights += cost.backward_weights;
    table.image_seconds += static_cast<double>(pieces[i].flops) / costs.flops_per_second;
  }
  table.read_bytes =
      images * static_cast<double>(w.job.data.train->image.elements()) * bytes_of_pixel;
  return [table](const address&, const work& what) {
    return table.overhead +
           std::chrono::nanoseconds(static_cast<std::int64_t>(table.seconds(what) * 1e9));
  };
}

} // namespace troupe
