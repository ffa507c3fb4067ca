#include "troupe/schedule_times.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace troupe {

namespace {

constexpr std::size_t columns_max = 96; // of a stage's line, beside its number and its activations

std::string label_of(const schedule& s, const schedule_op& op) {
  return text(op, s.parts == s.stages ? op.part : -1);
}

// Columns per second: the shortest operation gets room for the longest label and a blank, but the
// longest no more than eight times that.
double scale_of(const schedule& s, const timeline& run) {
  std::size_t label = 0;
  double shortest = run.makespan, longest = 0;
  for (const auto& line : run.per_stage)
    for (const auto& op : line) {
      const double seconds = op.end - op.start;
      if (seconds > 0) shortest = std::min(shortest, seconds);
      longest = std::max(longest, seconds);
      label = std::max(label, label_of(s, op.op).size());
    }
  return longest > 0 ? static_cast<double>(label + 1) / std::max(shortest, longest / 8) : 0;
}

// An operation's columns: its label, '-' until it ends, and a blank.
void draw(std::string& line, std::size_t from, std::size_t to, const std::string& label) {
  to = std::min(to, line.size());
  for (std::size_t at = from; at + 1 < to; ++at)
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
  const double scale = scale_of(s, run), whole = std::round(run.makespan * scale);
  const bool cut = whole > columns_max;
  const auto columns = cut ? columns_max : static_cast<std::size_t>(whole);
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
    std::string line(columns, ' ');
    for (const auto& op : run.per_stage[stage])
      draw(line, column(op.start), column(op.end), label_of(s, op.op));
    out += fmt::format("{:<2}|{}{} {}\n", stage, line, cut ? '>' : '|', peaks[stage]);
  }
  out += legend(run);
  if (cut)
    out += fmt::format(
        "cut after {:.4g} of {:.4g} s\n", static_cast<double>(columns_max) / scale, run.makespan);
  return out;
}

} // namespace troupe
