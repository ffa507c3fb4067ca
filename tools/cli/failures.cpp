#include "cli/failures.hpp"

#include "cli/mistakes.hpp"
#include "cli/values.hpp"
#include "troupe/units.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::cli {

namespace {

constexpr const char* example = "--failures \"1 per 500 ms\"";

bool parse_rate(const std::string& text, std::chrono::nanoseconds& mean_gap) {
  const auto per = text.find(" per ");
  double count = 0;
  std::chrono::nanoseconds time{0};
  if (per == std::string::npos || !parse_real(text.substr(0, per), count) || !(count > 0) ||
      !parse_time(text.substr(per + 5), time))
    return false;
  const double gap = static_cast<double>(time.count()) / count;
  if (gap > 1e18) return false;
  mean_gap = std::chrono::nanoseconds(static_cast<std::int64_t>(gap));
  return true;
}

} // namespace

failure_rate parse_failures(const std::string& text, std::vector<error_text>& wrong) {
  failure_rate out;
  const auto of = text.find(" of ");
  if (!parse_rate(text.substr(0, of), out.mean_gap))
    wrong.push_back({.what = fmt::format("'{}' is no rate of failures", text),
                     .where = "--failures " + text,
                     .why = "it is N per TIME, and `of` and roles, by commas, where not all die",
                     .help = example});
  if (of == std::string::npos) return out;
  for (const auto& name : split(text.substr(of + 4), ',')) {
    const auto& names = role_names();
    const auto found = std::find(names.begin(), names.end(), name);
    if (found != names.end())
      out.roles.push_back(parse_address(name).role);
    else
      wrong.push_back({.what = fmt::format("there is no role '{}'", name),
                       .where = "--failures " + text,
                       .why = choice_text(names) + " are known",
                       .help = suggestion(name, names, example)});
  }
  return out;
}

std::string failures_text(const failure_rate& rate) {
  std::string out = fmt::format("1 per {:.6g} ms",
                                std::chrono::duration<double, std::milli>(rate.mean_gap).count());
  for (std::size_t i = 0; i < rate.roles.size(); ++i)
    out += (i == 0 ? " of " : ", ") + std::string(role_text(rate.roles[i]));
  return out;
}

} // namespace troupe::cli
