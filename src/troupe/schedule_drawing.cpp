#include "troupe/schedule_times.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace troupe {

namespace {

constexpr int columns_max = 104; // of a stage's line, beside its number and its activations

std::string label_of(const schedule& s, const schedule_op& op) {
  return text(op, s.parts == s.stages ? op.part : -1);
}

// Columns per second: as many as let the whole fit, but no more than give a short operation its
// label and a blank. Where its label alone would not fit, the chart is cut instead.
double scale_of(const schedule& s, const timeline& run) {
  std::size_t label = 0, count = 0;
  double shortest = run.makespan, sum = 0;
  for (const auto& line : run.per_stage)
    for (const auto& op : line) {
      const double seconds = op.end - op.start;
      if (seconds > 0) shortest = std::min(shortest, seconds);
      sum += seconds;
      ++count;
      label = std::max(label, label_of(s, op.op).size());
    }
  if (sum <= 0) return 0;
  const double brief = std::max(shortest, sum / static_cast<double>(count) / 2);
  const double roomy = static_cast<double>(label + 1) / brief;
  const double tight = static_cast<double>(label) / brief;
  const double whole = columns_max / run.makespan;
  return whole >= tight ? std::min(whole, roomy) : roomy;
}

// An operation's columns: its label, '-' until it ends, and a blank where there is room for it.
void draw(std::string& line, std::size_t from, std::size_t to, const std::string& label) {
  to = std::min(to, line.size());
  if (to > from + label.size()) --to;
  for (std::size_t at = from; at < to; ++at)
    line[at] = at - from < label.size() ? label[at - from] : '-';
}

std::string legend(const timeline& run) {
  static constexpr const char* names[] = {
      "F forward", "B backward", "I gradient of inputs", "W gradient of weights"};
  bool used[4] = {};
  for (const auto& line : run.per_stage)
    for (const auto& op : line)
      used[static_cast<std::size_t>(op.op.kind)] = true;
  std::vector<std::string> out;
  for (std::size_t kind = 0; kind < 4; ++kind)
    if (used[kind]) out.emplace_back(names[kind]);
  return fmt::format("{}\n", fmt::join(out, "  "));
}

} // namespace

std::string drawing(const schedule& s, const schedule_times& times) {
  const auto run = simulate(s, times);
  const auto peaks = peak_activations(s);
  const double scale = scale_of(s, run);
  const bool cut = std::round(run.makespan * scale) > columns_max;
  const auto column = [&](double seconds) {
    return static_cast<std::size_t>(std::min<double>(std::round(seconds * scale), columns_max));
  };
  auto out = fmt::format("{}: {} stages, {} microbatches; {:.4g} s, bubble {:.1f} %; "
                         "on the right the activations kept\n",
                         s.name,
                         s.stages,
                         s.microbatches,
                         run.makespan,
                         100 * run.bubble_fraction);
  for (std::size_t stage = 0; stage < run.per_stage.size(); ++stage) {
    std::string line(column(run.makespan), ' ');
    for (const auto& op : run.per_stage[stage])
      draw(line, column(op.start), column(op.end), label_of(s, op.op));
    out += fmt::format("{:<2}|{}{} {}\n", stage, line, cut ? '>' : '|', peaks[stage]);
  }
  out += legend(run);
  if (cut) out += fmt::format("cut after {:.4g} of {:.4g} s\n", columns_max / scale, run.makespan);
  return out;
}

} // namespace troupe
