#include "cli/sweep.hpp"

#include "cli/mistakes.hpp"
#include "cli/values.hpp"
#include "troupe/units.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::cli {

namespace {

constexpr const char* example = "--sweep nodes=2,4,...,64";
constexpr const char* variant_example = "--variant \"grouped: groups=8; holders=4\"";

// What says how a sweep is made and told, and what is written by each simulation.
const std::vector<std::string> not_swept = {"sweep",
                                            "variant",
                                            "scaling",
                                            "at-once",
                                            "plot",
                                            "trace",
                                            "save",
                                            "quiet",
                                            "json",
                                            "timeline",
                                            "timeline-steps"};

std::vector<std::string> swept_names(const setting_list& known) {
  std::vector<std::string> out;
  for (const setting& s : known)
    if (std::find(not_swept.begin(), not_swept.end(), s.name) == not_swept.end())
      out.push_back(s.name);
  return out;
}

const setting* find(const std::string& name,
                    const setting_list& known,
                    const std::string& where,
                    std::vector<error_text>& wrong) {
  const auto names = swept_names(known);
  if (std::find(names.begin(), names.end(), name) == names.end()) {
    wrong.push_back({.what = fmt::format("there is no setting '{}' to sweep", name),
                     .where = where,
                     .why = "every option of troupe simulate that says what is simulated can be",
                     .help = suggestion(name, names, "troupe simulate --help lists them")});
    return nullptr;
  }
  return &*std::find_if(known.begin(), known.end(), [&](const auto& s) { return s.name == name; });
}

// Commas are part of what they say.
bool has_commas(const setting& s) {
  return s.repeats || s.kind == setting_kind::list || s.name == "data" || s.name == "failures";
}

std::vector<std::string> cut(const std::string& text, const setting& s) {
  return split(text, has_commas(s) || text.find(';') != std::string::npos ? ';' : ',');
}

bool is_switch(const setting& s, const std::string& value) {
  return s.kind != setting_kind::flag || value == "true" || value == "false";
}

bool pairs_of(const std::string& text, std::string& name, std::string& value) {
  const auto equals = text.find('=');
  if (equals == std::string::npos || equals == 0) return false;
  name = split(text.substr(0, equals), '\n').front(); // trimmed
  value = text.substr(equals + 1);
  return !split(value, '\n').empty();
}

void check_size(const sweep& s, std::vector<error_text>& wrong) {
  std::size_t points = std::max<std::size_t>(1, s.variants.size());
  for (const auto& axis : s.axes)
    points = std::min(sweep_points_max + 1, points * std::max<std::size_t>(1, axis.values.size()));
  if (points > sweep_points_max)
    wrong.push_back({.what = "a sweep of so many simulations is no sweep",
                     .where = "--sweep",
                     .why = fmt::format("all combinations are at most {}", sweep_points_max),
                     .help = "sweep fewer settings at once, or fewer values"});
}

void check_twice(const sweep& s, std::vector<error_text>& wrong) {
  for (std::size_t i = 0; i < s.axes.size(); ++i)
    for (std::size_t k = 0; k < i; ++k)
      if (s.axes[i].setting == s.axes[k].setting)
        wrong.push_back({.what = fmt::format("{} is swept twice", s.axes[i].setting),
                         .where = "--sweep " + s.axes[i].setting,
                         .why = "a simulation has one value of it",
                         .help = "give all values in one --sweep"});
  for (const auto& v : s.variants)
    for (const auto& [name, value] : v.settings)
      for (const auto& axis : s.axes)
        if (axis.setting == name)
          wrong.push_back({.what = fmt::format("{} is swept and set by a variant", name),
                           .where = "--variant " + v.name,
                           .why = "a simulation has one value of it",
                           .help = "leave one of them out"});
}

} // namespace

bool sweep_axis::is_numeric() const {
  return std::all_of(values.begin(), values.end(), [](const std::string& text) {
    double number = 0;
    return parse_real(text, number);
  });
}

const sweep_axis* sweep::curve_axis() const {
  for (const char* name : {"nodes", "replicas", "stages"})
    for (const auto& axis : axes)
      if (axis.setting == name && axis.values.size() > 1) return &axis;
  for (const auto& axis : axes)
    if (axis.is_numeric() && axis.values.size() > 1) return &axis;
  return nullptr;
}

sweep_axis
parse_sweep(const std::string& text, const setting_list& known, std::vector<error_text>& wrong) {
  const std::string where = "--sweep " + text;
  sweep_axis out;
  std::string values;
  if (!pairs_of(text, out.setting, values)) {
    wrong.push_back({.what = fmt::format("'{}' does not say what to sweep", text),
                     .where = where,
                     .why = "it is a setting, '=' and its values",
                     .help = example});
    return out;
  }
  const setting* s = find(out.setting, known, where, wrong);
  if (s == nullptr) return out;
  out.values = cut(values, *s);
  for (const auto& value : out.values)
    if (value.empty() || !is_switch(*s, value))
      wrong.push_back(
          {.what = value.empty()
                       ? fmt::format("a value of {} is empty", out.setting)
                       : fmt::format("{} '{}' is neither true nor false", out.setting, value),
           .where = where,
           .why = "values stand between commas, or semicolons where they have commas",
           .help = example});
  out.values = continued(std::move(out.values), where, wrong);
  return out;
}

sweep_variant
parse_variant(const std::string& text, const setting_list& known, std::vector<error_text>& wrong) {
  const std::string where = "--variant " + text;
  const auto colon = text.find(':');
  sweep_variant out{.name = text.substr(0, colon), .settings = {}};
  const auto refuse = [&](const std::string& what) {
    wrong.push_back({.what = what,
                     .where = where,
                     .why = "a variant is NAME: SETTING=VALUE; SETTING=VALUE",
                     .help = variant_example});
  };
  if (colon == std::string::npos || colon == 0) {
    refuse(fmt::format("'{}' names no variant", text));
    return out;
  }
  for (const auto& said : split(text.substr(colon + 1), ';')) {
    std::string name, value;
    if (said.empty()) continue;
    if (!pairs_of(said, name, value))
      refuse(fmt::format("'{}' sets nothing", said));
    else if (find(name, known, where, wrong) != nullptr)
      out.settings.emplace_back(name, split(value, '\n').front());
  }
  return out;
}

sweep sweep_of(const setting_values& values, const setting_list& known) {
  value_reader read(values);
  std::vector<error_text> wrong;
  sweep out;
  for (const auto& text : read.value("sweep").values)
    out.axes.push_back(parse_sweep(text, known, wrong));
  for (const auto& text : read.value("variant").values)
    out.variants.push_back(parse_variant(text, known, wrong));
  out.scaling = read.choice("scaling", {"weak", "strong"}) == "strong" ? scaling_kind::strong
                                                                       : scaling_kind::weak;
  out.at_once = static_cast<int>(read.whole("at-once", 0, 4096));
  check_size(out, wrong);
  check_twice(out, wrong);
  if (!out.empty())
    for (const char* name : {"trace", "save", "timeline"})
      if (!read.text(name).empty())
        wrong.push_back({.what = fmt::format("a sweep has no --{}", name),
                         .where = read.where(name),
                         .why = "its simulations would all write the same file",
                         .help = "simulate the one that you want it of"});
  for (auto& text : wrong)
    read.add(std::move(text));
  if (!read.wrong().empty()) throw mistakes(read.wrong());
  return out;
}

std::string variant_name(const sweep& s, const sweep_point& at) {
  return s.variants.empty() ? "" : s.variants[at.variant].name;
}

std::vector<sweep_point> points_of(const sweep& s) {
  std::vector<sweep_point> out;
  for (std::size_t i = 0; i < std::max<std::size_t>(1, s.variants.size()); ++i)
    out.push_back({.variant = i, .values = {}});
  for (const auto& axis : s.axes) {
    std::vector<sweep_point> more;
    for (const auto& point : out)
      for (const auto& value : axis.values) {
        more.push_back(point);
        more.back().values.push_back(value);
      }
    out = std::move(more);
  }
  return out;
}

} // namespace troupe::cli
