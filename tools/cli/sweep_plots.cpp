#include "cli/simulation_table.hpp"
#include "cli/sweep_table.hpp"

#include <algorithm>
#include <cmath>
#include <functional>

namespace troupe::cli {

namespace {

using value_of_row = std::function<double(const sweep_row&)>;

double throughput(const sweep_row& row) {
  return row.figures.result.images_per_second;
}

bool is_power_of_two(double value) {
  int exponent = 0;
  return std::frexp(value, &exponent) == 0.5;
}

chart_axis place_axis(const sweep& s, const std::vector<sweep_row>& rows) {
  chart_axis out{.title = s.curve_axis()->setting, .logarithmic = true, .binary = true};
  for (const auto& row : rows) {
    out.logarithmic = out.logarithmic && place_of(s, row) > 0;
    out.binary = out.binary && is_power_of_two(place_of(s, row));
  }
  return out;
}

std::vector<chart_line>
curves_of(const sweep& s, const std::vector<sweep_row>& rows, const value_of_row& value) {
  std::vector<chart_line> out;
  for (const auto& row : rows) {
    const auto name = curve_of(s, row);
    auto line = std::find_if(out.begin(), out.end(), [&](const auto& l) { return l.name == name; });
    if (line == out.end()) line = out.insert(out.end(), chart_line{.name = name});
    if (row.wrong.empty()) line->points.push_back({place_of(s, row), value(row)});
  }
  return out;
}

// As if each part more brought as much as the best first one did.
chart_line ideal_of(const std::vector<chart_line>& curves) {
  double rate = 0, from = 0, to = 0;
  for (const auto& line : curves)
    for (const auto& p : line.points) {
      if (&p == &line.points.front()) rate = std::max(rate, p.y / p.x);
      from = from == 0 ? p.x : std::min(from, p.x);
      to = std::max(to, p.x);
    }
  return {.name = "ideal", .points = {{from, rate * from}, {to, rate * to}}, .dashed = true};
}

named_charts bars_of(const sweep& s, const std::vector<sweep_row>& rows) {
  chart out{.title = "throughput", .x = {.title = "images/s"}};
  for (const auto& row : rows)
    if (row.wrong.empty()) out.bars.push_back({curve_of(s, row), throughput(row)});
  return {{"throughput", out}};
}

} // namespace

named_charts charts_of(const sweep& s, const std::vector<sweep_row>& rows) {
  if (std::all_of(rows.begin(), rows.end(), [](const auto& row) { return !row.wrong.empty(); }))
    return {};
  if (s.curve_axis() == nullptr) return bars_of(s, rows);
  const auto x = place_axis(s, rows);
  const bool efficient = std::any_of(
      rows.begin(), rows.end(), [](const auto& row) { return row.efficiency.has_value(); });
  chart rate{.title = "throughput",
             .x = x,
             .y = {.title = "images/s", .logarithmic = true},
             .lines = curves_of(s, rows, throughput)};
  chart step{.title = "step time",
             .x = x,
             .y = {.title = "mean step", .logarithmic = true, .unit = "s"},
             .lines = curves_of(s, rows, [](const sweep_row& row) {
               return row.figures.summary.step_seconds.mean;
             })};
  named_charts out = {{"throughput", std::move(rate)}, {"step-time", std::move(step)}};
  if (!efficient) return out;
  out.front().second.lines.push_back(ideal_of(out.front().second.lines));
  chart share{.title = "efficiency: throughput by part, of the first on the curve",
              .x = x,
              .y = {.title = "efficiency", .unit = "%"},
              .lines = curves_of(
                  s, rows, [](const sweep_row& row) { return 100 * row.efficiency.value_or(0); })};
  out.insert(out.begin() + 1, {"efficiency", std::move(share)});
  return out;
}

} // namespace troupe::cli
