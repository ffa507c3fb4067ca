#include "cli/sweep_table.hpp"

#include "cli/progress.hpp"
#include "cli/simulation_json.hpp"
#include "cli/simulation_table.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace troupe::cli {

namespace {

std::size_t width_of(const sweep_axis& axis) {
  std::size_t out = axis.setting.size();
  for (const auto& value : axis.values)
    out = std::max(out, value.size());
  return out + 2;
}

std::size_t width_of(const std::vector<sweep_variant>& variants) {
  std::size_t out = 7;
  for (const auto& v : variants)
    out = std::max(out, v.name.size());
  return out + 2;
}

std::string percent(double share) {
  return fmt::format("{:.1f} %", 100 * share);
}

const simulation_summary::role_use* busiest_of(const simulation_summary& s) {
  const auto found = std::max_element(
      s.roles.begin(), s.roles.end(), [](const auto& a, const auto& b) { return a.most < b.most; });
  return found == s.roles.end() ? nullptr : &*found;
}

std::string reasons(const std::vector<error_text>& wrong) {
  std::string out;
  for (const auto& text : wrong)
    out += fmt::format(
        "{}{}{}", out.empty() ? "" : "; ", text.what, text.why.empty() ? "" : ": " + text.why);
  return out;
}

} // namespace

std::string sweep_heading(const sweep& s) {
  std::string out;
  if (!s.variants.empty()) out += fmt::format("{:<{}}", "variant", width_of(s.variants));
  for (const auto& axis : s.axes)
    out += fmt::format("{:<{}}", axis.setting, width_of(axis));
  return out + fmt::format("{:>12}{:>13}{:>12}{:>12}{:>13}{:>10}  {}\n",
                           "mean step",
                           "images/s",
                           "efficiency",
                           "cores busy",
                           "bytes/step",
                           "goodput",
                           "busiest actor");
}

std::string sweep_line(const sweep& s, const sweep_row& row) {
  std::string out;
  if (!s.variants.empty())
    out += fmt::format("{:<{}}", variant_name(s, row.point), width_of(s.variants));
  for (std::size_t i = 0; i < s.axes.size(); ++i)
    out += fmt::format("{:<{}}", row.point.values[i], width_of(s.axes[i]));
  if (!row.wrong.empty()) return out + "  impossible: " + reasons(row.wrong) + "\n";
  const auto& f = row.figures;
  const auto* busiest = busiest_of(f.summary);
  return out +
         fmt::format("{:>12}{:>13}{:>12}{:>12}{:>13}{:>10}  {}\n",
                     time_text(f.summary.step_seconds.mean),
                     count_of(f.result.images_per_second),
                     row.efficiency ? percent(*row.efficiency) : "",
                     percent(f.summary.nodes.mean),
                     bytes_text(static_cast<std::uint64_t>(f.summary.network.step_bytes)),
                     f.kept ? percent(f.kept->share) : "",
                     busiest == nullptr
                         ? ""
                         : fmt::format("{} {}", busiest->busiest.text(), percent(busiest->most)));
}

nlohmann::json sweep_json(const sweep& s, const sweep_row& row, const std::string& replay) {
  using nlohmann::json;
  json settings = json::object();
  for (std::size_t i = 0; i < s.axes.size(); ++i)
    settings[s.axes[i].setting] = row.point.values[i];
  json out = row.wrong.empty() ? summary_json(row.figures) : json::object();
  out["event"] = row.wrong.empty() ? "swept" : "impossible";
  out["variant"] = s.variants.empty() ? json(nullptr) : json(variant_name(s, row.point));
  out["settings"] = settings;
  if (!row.wrong.empty()) {
    out["why"] = json::array();
    for (const auto& text : row.wrong)
      out["why"].push_back(
          {{"what", text.what}, {"where", text.where}, {"why", text.why}, {"help", text.help}});
    return out;
  }
  out["nodes"] = row.nodes;
  out["efficiency"] = row.efficiency ? json(*row.efficiency) : json(nullptr);
  out["replay"] = replay;
  return out;
}

} // namespace troupe::cli
