// Where the ticks of a chart's axes are, and what they are called.
#include "cli/chart.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace troupe::cli {

namespace {

struct prefix {
  double factor;
  const char* name;
};

std::string with_prefix(double value, std::initializer_list<prefix> prefixes, const char* unit) {
  const double size = std::abs(value);
  for (const auto& p : prefixes)
    if (size >= p.factor * 0.9995)
      return fmt::format("{:.4g}{}{}{}", value / p.factor, *unit == '\0' ? "" : " ", p.name, unit);
  const auto& last = *(prefixes.end() - 1);
  return fmt::format(
      "{:.3g}{}{}{}", value / last.factor, *unit == '\0' ? "" : " ", last.name, unit);
}

} // namespace

std::vector<double> linear_ticks(double least, double most, int wanted) {
  if (!(most > least)) most = least + (least == 0 ? 1 : std::abs(least));
  const double rough = (most - least) / std::max(1, wanted);
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  double step = 10 * power;
  for (const double times : {5.0, 2.0, 1.0})
    if (times * power >= rough * 0.999) step = times * power;
  std::vector<double> out;
  const auto first = std::floor(least / step + 1e-9), last = std::ceil(most / step - 1e-9);
  for (double n = first; n <= last; ++n)
    out.push_back(n * step);
  return out;
}

std::vector<double> logarithmic_ticks(double least, double most, double base, int wanted) {
  const auto power_of = [&](double value) { return std::log(value) / std::log(base); };
  const int first = static_cast<int>(std::floor(power_of(least) + 1e-9));
  const int last = std::max(first + 1, static_cast<int>(std::ceil(power_of(most) - 1e-9)));
  const int every = 1 + (last - first) / std::max(1, wanted);
  std::vector<double> out;
  for (int power = first; power < last + every; power += every)
    out.push_back(std::pow(base, power));
  return out;
}

std::string tick_text(double value, const std::string& unit) {
  if (value == 0) return "0";
  if (unit == "%") return fmt::format("{:.4g} %", value);
  if (unit == "s") return with_prefix(value, {{1, ""}, {1e-3, "m"}, {1e-6, "u"}, {1e-9, "n"}}, "s");
  if (unit == "B")
    return with_prefix(value, {{1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "k"}, {1, ""}}, "B");
  const double size = std::abs(value);
  if (size >= 10'000 || (size >= 1000 && std::fmod(size, 1000) == 0))
    return with_prefix(value, {{1e9, "G"}, {1e6, "M"}, {1e3, "k"}}, "");
  return fmt::format("{:.4g}", value);
}

} // namespace troupe::cli
