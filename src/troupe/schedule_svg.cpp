#include "troupe/schedule_times.hpp"
#include "troupe/xml_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace troupe {

namespace {

// In the picture's units, about pixels.
constexpr double row_height = 26, bar_height = 22, left = 64, top = 34, right = 12;
constexpr double width_max = 12'000, shortest_wanted = 26, narrowest_label = 7; // per letter

// By op_kind: dark text is readable on all of them, and they on white and on black. The second is
// for every other part of a stage.
constexpr std::array<std::array<const char*, 2>, 4> colours{{{"#7fb2ee", "#b5d3f5"},
                                                             {"#7fc99a", "#b3e0c2"},
                                                             {"#f0b861", "#f7d8a4"},
                                                             {"#c79be3", "#dfc5ef"}}};
constexpr std::array names{
    "F forward", "B backward", "I gradient of inputs", "W gradient of weights"};

// Pixels per second.
double scale_of(const timeline& run) {
  double shortest = run.makespan;
  for (const auto& line : run.per_stage)
    for (const auto& op : line)
      if (op.end > op.start) shortest = std::min(shortest, op.end - op.start);
  if (run.makespan <= 0) return 0;
  return std::min(shortest_wanted / shortest, width_max / run.makespan);
}

std::string bar(const schedule& s, const timed_op& op, double y, double scale) {
  const auto& [kind, part, microbatch] = op.op;
  const auto label = text(op.op, s.parts == s.stages ? part : -1);
  const double x = left + op.start * scale, width = (op.end - op.start) * scale;
  auto out = fmt::format(
      "<g><title>{}: {:.4g} s to {:.4g} s</title>"
      "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{}\" "
      "fill=\"{}\"/>",
      label,
      op.start,
      op.end,
      x,
      y,
      std::max(width - 1, 0.5),
      bar_height,
      colours[static_cast<std::size_t>(kind)][static_cast<std::size_t>(part / s.stages) % 2]);
  const bool whole = width >= narrowest_label * static_cast<double>(label.size());
  const auto shown = whole ? label : label.substr(0, label.find('@'));
  if (width >= narrowest_label * static_cast<double>(shown.size()))
    out += fmt::format("<text class=\"op\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>",
                       x + (width - 1) / 2,
                       y + 15,
                       shown);
  return out + "</g>\n";
}

std::string legend(const timeline& run, double y) {
  std::array<bool, 4> used{};
  for (const auto& line : run.per_stage)
    for (const auto& op : line)
      used[static_cast<std::size_t>(op.op.kind)] = true;
  std::string out;
  double x = left;
  for (std::size_t kind = 0; kind < names.size(); ++kind) {
    if (!used[kind]) continue;
    out += fmt::format("<rect x=\"{}\" y=\"{}\" width=\"14\" height=\"14\" fill=\"{}\"/>"
                       "<text x=\"{}\" y=\"{}\">{}</text>\n",
                       x,
                       y,
                       colours[kind][0],
                       x + 20,
                       y + 12,
                       names[kind]);
    x += 175;
  }
  return out;
}

} // namespace

std::string svg(const schedule& s, const schedule_times& times) {
  const auto run = simulate(s, times);
  const double scale = scale_of(run);
  const double width = std::max(left + run.makespan * scale + right, left + 4 * 175);
  const double bottom = top + row_height * s.stages, height = bottom + 34;
  auto out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0:.0f} {1:.0f}\" width=\"{0:.0f}\" "
      "height=\"{1:.0f}\" role=\"img\">\n"
      "<style>text{{font:12px sans-serif;fill:#24292f}}"
      "@media(prefers-color-scheme:dark){{text{{fill:#e6edf3}}}}"
      "text.op{{font-size:11px;fill:#16191d;text-anchor:middle}}</style>\n"
      "<text x=\"{2}\" y=\"20\">{3}: {4} stages, {5} microbatches; {6:.4g} s, bubble {7:.1f} %"
      "</text>\n",
      width,
      height,
      left,
      xml_text(s.name),
      s.stages,
      s.microbatches,
      run.makespan,
      100 * run.bubble_fraction);
  for (std::size_t stage = 0; stage < run.per_stage.size(); ++stage) {
    const double y = top + row_height * static_cast<double>(stage);
    out += fmt::format("<text x=\"8\" y=\"{:.1f}\">stage {}</text>\n", y + 15, stage);
    for (const auto& op : run.per_stage[stage])
      out += bar(s, op, y, scale);
  }
  return out + legend(run, bottom + 10) + "</svg>\n";
}

} // namespace troupe
