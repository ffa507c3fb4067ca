#include "cli/simulation_plots.hpp"

#include "cli/simulation_table.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::cli {

namespace {

constexpr std::size_t links_shown_max = 16;

chart step_times_of(const simulation_report& r) {
  chart out{.title = "step time",
            .x = {.title = "virtual time", .unit = "s"},
            .y = {.title = "step", .unit = "s"},
            .marks_name = "death"};
  auto& line = out.lines.emplace_back();
  for (const auto& c : r.commits)
    line.points.push_back({c.seconds, c.step_seconds});
  for (const auto& d : r.deaths)
    out.marks.push_back({d.seconds, d.who.text()});
  return out;
}

chart utilisation_of(const simulation_summary& s) {
  chart out{.title = "utilisation by role, mean to busiest actor",
            .x = {.title = "share of virtual time", .unit = "%"}};
  for (const auto& use : s.roles)
    if (use.busy_seconds > 0)
      out.bars.push_back({role_text(use.role), 100 * use.mean, 100 * use.most});
  return out;
}

chart traffic_of(const simulation_report& r) {
  chart out{.title = "traffic by link", .x = {.title = "bytes in all", .unit = "B"}};
  auto links = r.links;
  std::stable_sort(
      links.begin(), links.end(), [](const auto& a, const auto& b) { return a.bytes > b.bytes; });
  for (std::size_t i = 0; i < links.size() && i < links_shown_max; ++i)
    out.bars.push_back(
        {fmt::format("{} -> {}", links[i].from, links[i].to), static_cast<double>(links[i].bytes)});
  if (links.size() > links_shown_max)
    out.title += fmt::format(", the {} busiest of {}", links_shown_max, links.size());
  return out;
}

chart staleness_of(const staleness_count& s) {
  chart out{.title = "staleness of updates", .x = {.title = "updates"}};
  for (const auto& row : staleness_rows(s))
    out.bars.push_back({row.name, static_cast<double>(row.updates)});
  return out;
}

// Both ways to count a recovery, from the fastest to the slowest.
chart recovery_of(const simulation_summary& s) {
  chart out{.title = "recovery from deaths",
            .x = {.title = "time from the death", .logarithmic = true, .unit = "s"},
            .y = {.title = "share of deaths", .unit = "%"}};
  const auto curve = [&](const char* name, auto value) {
    std::vector<double> times;
    for (const auto& r : s.recoveries)
      if (value(r) >= 0) times.push_back(value(r));
    std::sort(times.begin(), times.end());
    auto& line = out.lines.emplace_back(chart_line{.name = name});
    for (std::size_t i = 0; i < times.size(); ++i)
      line.points.push_back(
          {times[i], 100 * static_cast<double>(i + 1) / static_cast<double>(s.recoveries.size())});
  };
  curve("ready again", [](const auto& r) { return r.ready; });
  curve("next step committed", [](const auto& r) { return r.committed; });
  return out;
}

} // namespace

named_charts charts_of(const simulation_figures& f) {
  const auto& report = *f.result.simulation;
  named_charts out = {{"step-times", step_times_of(report)},
                      {"utilisation", utilisation_of(f.summary)}};
  if (!report.links.empty()) out.emplace_back("traffic", traffic_of(report));
  if (!f.result.staleness.empty()) out.emplace_back("staleness", staleness_of(f.result.staleness));
  if (!report.deaths.empty()) out.emplace_back("recovery", recovery_of(f.summary));
  return out;
}

} // namespace troupe::cli
