// The values of a sweep: how "2,4,...,64" goes on, and what a point of it sets.
#include "cli/mistakes.hpp"
#include "cli/sweep.hpp"
#include "cli/values.hpp"
#include "troupe/units.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

namespace troupe::cli {

namespace {

constexpr double close = 1e-9;

bool same(double a, double b) {
  return std::abs(a - b) <= close * std::max({1.0, std::abs(a), std::abs(b)});
}

// From the first to the last, each by `next` of the one before; nothing where it misses one of
// those that were said.
template <class Next>
std::optional<std::vector<double>> chain(const std::vector<double>& said, double last, Next next) {
  std::vector<double> out = {said.front()};
  const bool up = last > said.front();
  while (!same(out.back(), last) && out.size() <= sweep_points_max) {
    const double value = next(out.back());
    if (same(value, out.back()) || (value > out.back()) != up) return std::nullopt;
    if (up ? value > last && !same(value, last) : value < last && !same(value, last))
      return std::nullopt;
    out.push_back(value);
  }
  if (out.size() < said.size() || out.size() > sweep_points_max) return std::nullopt;
  for (std::size_t i = 0; i < said.size(); ++i)
    if (!same(out[i], said[i])) return std::nullopt;
  return out;
}

std::optional<std::vector<double>> progression(const std::vector<double>& said, double last) {
  const double step = said[1] - said[0], ratio = said[0] == 0 ? 0 : said[1] / said[0];
  const auto counting = chain(said, last, [&](double value) { return value + step; });
  if (counting && step == 1) return counting;
  if (ratio > 0)
    if (auto growing = chain(said, last, [&](double value) { return value * ratio; }))
      return growing;
  return counting;
}

bool numbers_of(const std::vector<std::string>& words, std::vector<double>& out) {
  for (const auto& word : words)
    if (!parse_real(word, out.emplace_back())) return false;
  return true;
}

void set(setting_values& values, const std::string& name, const std::string& value) {
  auto& to = values.at(name);
  // Of a setting that repeats, what is said of one node or link stays.
  std::vector<std::string> kept = {value};
  for (const auto& word : to.values)
    if (name == "link" || name == "node")
      if (word.find(':') != std::string::npos) kept.push_back(word);
  to = {.values = std::move(kept),
        .from = origin::flag,
        .where = fmt::format("--{} {}", name, value)};
}

// Reads numbers, and leaves what is none for others to tell.
class spreading {
public:
  spreading(setting_values& values, scaling_kind scaling) : values_(values), scaling_(scaling) {}

  // Grows what the topology has of on each node, unless it was said how many there are.
  void over(std::int64_t nodes) {
    if (given("wiring") || nodes < 1) return;
    const auto topology = text("topology");
    const bool pipeline = topology == "pipeline";
    if (pipeline ? given("stages") : given("replicas") && (!staged() || given("stages"))) return;
    if (pipeline)
      grow("stages", nodes);
    else if (given("replicas"))
      grow("stages", quotient(nodes, number("replicas"), "replicas"));
    else
      grow("replicas", quotient(nodes, stages(), "stages"));
    set(values_, "nodes", "0"); // as many as the wiring has
    scale(nodes);
  }

private:
  [[nodiscard]] std::string text(const std::string& name) const {
    return value_reader(values_).text(name);
  }

  [[nodiscard]] bool given(const std::string& name) const {
    return values_.at(name).from != origin::standard && !text(name).empty();
  }

  [[nodiscard]] std::int64_t number(const std::string& name) const {
    std::int64_t out = 0;
    return parse_whole(text(name), out) && out > 0 ? out : 1;
  }

  [[nodiscard]] bool staged() const { return text("topology") == "hybrid"; }

  [[nodiscard]] std::int64_t stages() const {
    if (text("topology") == "data-parallel") return 1;
    return given("stages") ? number("stages") : staged() ? 2 : 1;
  }

  [[nodiscard]] bool asynchronous() const {
    const auto order = text("consistency");
    return order.empty() ? text("topology") == "parameter-server" : order != "bsp";
  }

  [[nodiscard]] static std::int64_t
  quotient(std::int64_t nodes, std::int64_t parts, const char* name) {
    if (nodes % parts == 0) return nodes / parts;
    throw mistakes({.what = fmt::format("{} nodes cannot be shared by {} {}", nodes, parts, name),
                    .where = fmt::format("nodes {}", nodes),
                    .why = "each pipeline has a node for each of its stages",
                    .help = fmt::format("sweep multiples of {}", parts)});
  }

  void grow(const char* name, std::int64_t to) {
    set(values_, name, std::to_string(to));
    if (std::string(name) == "replicas") replicas_ = to;
    if (given("replicas")) replicas_ = number("replicas");
  }

  // Workers with batches of their own: each takes as many steps as it would alone.
  void scale(std::int64_t nodes) {
    const bool weak = scaling_ == scaling_kind::weak;
    if (asynchronous()) {
      set(values_, "steps", std::to_string(number("steps") * replicas_));
      if (weak) set(values_, "batch", std::to_string(number("batch") * (nodes / replicas_)));
      return;
    }
    const auto microbatches = number("microbatches");
    if (weak) set(values_, "batch", std::to_string(number("batch") * nodes));
    set(values_,
        "microbatches",
        std::to_string(weak ? microbatches * nodes : std::max(microbatches, replicas_)));
  }

  setting_values& values_;
  scaling_kind scaling_;
  std::int64_t replicas_ = 1;
};

} // namespace

std::vector<std::string> continued(std::vector<std::string> values,
                                   const std::string& where,
                                   std::vector<error_text>& wrong) {
  const auto dots = std::find(values.begin(), values.end(), "...");
  if (dots == values.end()) return values;
  std::vector<double> said, last;
  const bool complete = dots - values.begin() >= 2 && values.end() - dots == 2 &&
                        numbers_of({values.begin(), dots}, said) &&
                        numbers_of({dots + 1, values.end()}, last);
  const auto all = complete ? progression(said, last.front()) : std::nullopt;
  if (all) {
    values.clear();
    for (const double value : *all)
      values.push_back(fmt::format("{:.12g}", value));
    return values;
  }
  wrong.push_back(
      {.what = complete
                   ? fmt::format(
                         "{} is not reached from {} and {}", values.back(), values[0], values[1])
                   : "the dots do not say how it goes on",
       .where = where,
       .why = complete ? "the same factor or the same difference leads from each to the next"
                       : "two numbers or more stand before them, and the last one behind",
       .help = "2,4,...,64 doubles; 1,2,...,8 counts"});
  return {};
}

setting_values values_at(const sweep& s, const sweep_point& at, const setting_values& values) {
  setting_values out = values;
  for (const char* about : {"sweep", "variant", "plot"})
    out.at(about).values.clear();
  if (!s.variants.empty())
    for (const auto& [name, value] : s.variants[at.variant].settings)
      set(out, name, value);
  for (std::size_t i = 0; i < s.axes.size(); ++i)
    if (s.axes[i].setting != "nodes") set(out, s.axes[i].setting, at.values[i]);
  for (std::size_t i = 0; i < s.axes.size(); ++i)
    if (s.axes[i].setting == "nodes") {
      set(out, "nodes", at.values[i]);
      std::int64_t nodes = 0;
      if (parse_whole(at.values[i], nodes)) spreading(out, s.scaling).over(nodes);
    }
  return out;
}

} // namespace troupe::cli
