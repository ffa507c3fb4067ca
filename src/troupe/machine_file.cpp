// Reads machine profiles. A value is a number, or text with its unit: "2 TFLOP/s", "200 GB/s",
// "5 us".
#include "troupe/job.hpp"
#include "troupe/machine_profile.hpp"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>
#include <string_view>
#include <utility>

namespace troupe {

namespace {

constexpr int cores_max = 4096;
constexpr double rate_max = 1e18;
constexpr double seconds_max = 1e6;
constexpr double busy_max = 1e3;
constexpr double count_max = 1e15;

// What a number may be, and how it is written.
struct quantity {
  std::string name; // "a rate"
  double least = 0, most = 0;
  std::vector<std::pair<std::string, double>> units; // the longer first where one ends another
  std::string example;
};

const quantity flops_rate{"FLOP/s",
                          1,
                          rate_max,
                          {{"TFLOP/s", 1e12}, {"GFLOP/s", 1e9}, {"MFLOP/s", 1e6}, {"FLOP/s", 1}},
                          "\"100 GFLOP/s\""};
const quantity bytes_rate{"a bandwidth",
                          1,
                          rate_max,
                          {{"TB/s", 1e12}, {"GB/s", 1e9}, {"MB/s", 1e6}, {"kB/s", 1e3}},
                          "\"10 GB/s\""};
const quantity seconds{
    "a time", 0, seconds_max, {{"ns", 1e-9}, {"us", 1e-6}, {"ms", 1e-3}, {"s", 1}}, "\"5 us\""};
const quantity amount{"a number", 0, count_max, {}, "1000"};
const quantity images{"a number of images", 1, count_max, {}, "16"};
const quantity cores{"a number of cores", 1, cores_max, {}, "8"};
const quantity factor{"a factor", 1, busy_max, {}, "1.2"};

bool parse(const std::string& text, const quantity& q, double& value) {
  for (const auto& [unit, scale] : q.units) {
    if (!text.ends_with(unit)) continue;
    std::string_view number(text.data(), text.size() - unit.size());
    while (number.ends_with(' '))
      number.remove_suffix(1);
    const char* const end = number.data() + number.size();
    const auto [read, problem] = std::from_chars(number.data(), end, value);
    if (problem != std::errc{} || read != end) continue;
    value *= scale;
    return true;
  }
  return false;
}

class reading {
public:
  reading(const std::string& content, const std::string& name) : name_(name) {
    try {
      root_ = toml::parse(content, name);
    } catch (const toml::parse_error& e) {
      add(e.source(),
          fmt::format("this is not TOML: {}", e.description()),
          "a value is a number or text in quotes",
          "bandwidth = \"200 GB/s\"");
    }
  }

  machine_profile profile() {
    machine_profile out;
    if (wrong_.empty()) read(out);
    if (!wrong_.empty()) throw joined(wrong_);
    return out;
  }

private:
  using handler = std::function<void(const toml::node&)>;

  void read(machine_profile& out) {
    read_table(root_,
               "a machine",
               {{"name", text_to(out.name)},
                {"cores", [&](const auto& n) { out.cores = static_cast<int>(whole_of(n, cores)); }},
                {"flops", number_to(out.flops_per_second, flops_rate)},
                {"bandwidth", number_to(out.bytes_per_second, bytes_rate)},
                {"sums", number_to(out.sum_bytes_per_second, bytes_rate)},
                {"updates", number_to(out.update_bytes_per_second, bytes_rate)},
                {"reading", number_to(out.read_bytes_per_second, bytes_rate)},
                {"overhead", [&](const auto& n) { out.overhead = time_of(n); }},
                {"message", [&](const auto& n) { out.message = time_of(n); }},
                {"busy", [&](const auto& n) { read_busy(n, out.busy); }},
                {"kernels", [&](const auto& n) { read_kernels(n, out.kernels); }}});
    for (const char* needed : {"flops", "bandwidth"})
      if (!root_.contains(needed))
        wrong_.push_back(
            {.what = fmt::format("the machine's {} is missing", needed),
             .where = name_,
             .why = "everything else can be derived from flops and bandwidth",
             .help = fmt::format("write {} = {}",
                                 needed,
                                 needed == std::string("flops") ? flops_rate.example
                                                                : bytes_rate.example)});
  }

  void read_table(const toml::table& t,
                  const char* of,
                  const std::vector<std::pair<std::string, handler>>& known) {
    for (const auto& [key, value] : t) {
      const auto found = std::find_if(
          known.begin(), known.end(), [&key = key](const auto& k) { return k.first == key.str(); });
      if (found != known.end())
        found->second(value);
      else
        add_unknown(key, of, known);
    }
  }

  void add_unknown(const toml::key& key,
                   const char* of,
                   const std::vector<std::pair<std::string, handler>>& known) {
    std::vector<std::string> names;
    std::string all;
    for (const auto& [name, read] : known) {
      names.push_back(name);
      all += (all.empty() ? "" : ", ") + name;
    }
    const std::string word(key.str());
    const auto near = did_you_mean(word, names.data(), names.data() + names.size());
    add(key.source(),
        fmt::format("{} has no '{}'", of, word),
        fmt::format("it has {}", all),
        near.empty() ? "leave it out" : fmt::format("write {}", near));
  }

  handler text_to(std::string& out) {
    return [this, &out](const toml::node& n) {
      if (const auto* text = n.as_string())
        out = text->get();
      else
        add(n.source(), "this is no text", "text is in quotes", "\"my server\"");
    };
  }

  handler number_to(double& out, const quantity& q) {
    return [this, &out, &q](const toml::node& n) { out = number_of(n, q); };
  }

  double number_of(const toml::node& n, const quantity& q) {
    double value = q.least;
    if (const auto* whole = n.as_integer())
      value = static_cast<double>(whole->get());
    else if (const auto* real = n.as_floating_point())
      value = real->get();
    else if (const auto* text = n.as_string(); text == nullptr || !parse(text->get(), q, value))
      return refuse(n, q, "this is not " + q.name);
    if (value >= q.least && value <= q.most) return value;
    return refuse(n, q, fmt::format("{} is out of range", value));
  }

  double refuse(const toml::node& n, const quantity& q, std::string what) {
    std::string why = fmt::format("{} is from {:g} to {:g}", q.name, q.least, q.most);
    for (const auto& [unit, scale] : q.units)
      why += fmt::format("{}{}", unit == q.units.front().first ? "; units are " : ", ", unit);
    add(n.source(), std::move(what), std::move(why), "write " + q.example);
    return q.least;
  }

  std::int64_t whole_of(const toml::node& n, const quantity& q) {
    const double value = number_of(n, q);
    if (value == std::floor(value)) return static_cast<std::int64_t>(value);
    refuse(n, q, fmt::format("{} is not whole", value));
    return 1;
  }

  std::chrono::nanoseconds time_of(const toml::node& n) {
    return std::chrono::nanoseconds(std::llround(number_of(n, seconds) * 1e9));
  }

  void read_busy(const toml::node& n, std::vector<double>& out) {
    const auto* list = n.as_array();
    if (list == nullptr)
      return add(n.source(), "this is no list", "a factor for 1, 2, ... cores", "busy = [1, 1.2]");
    for (const auto& each : *list)
      out.push_back(number_of(each, factor));
  }

  void read_kernels(const toml::node& n, std::vector<kernel_rate>& out) {
    const auto* list = n.as_array();
    if (list == nullptr)
      return add(n.source(), "this is no list", "a kernel is a table", "kernels = []");
    for (const auto& each : *list)
      if (const auto* t = each.as_table())
        read_kernel(*t, out.emplace_back());
      else
        add(each.source(), "this is no kernel", "a kernel is a table", "{ layers = \"dense\" }");
  }

  void read_kernel(const toml::table& t, kernel_rate& out) {
    read_table(t,
               "a kernel",
               {{"layers", text_to(out.layers)},
                {"images", [&](const auto& n) { out.images = whole_of(n, images); }},
                {"flops", number_to(out.flops, amount)},
                {"elements", number_to(out.elements, amount)},
                {"bind", number_to(out.bind, seconds)},
                {"forward", number_to(out.forward, seconds)},
                {"inputs", number_to(out.backward_inputs, seconds)},
                {"weights", number_to(out.backward_weights, seconds)}});
    for (const char* needed : {"layers", "images", "forward"})
      if (!t.contains(needed))
        add(t.source(),
            fmt::format("the kernel's {} is missing", needed),
            "what was measured is of some layers at some number of images",
            "{ layers = \"dense\", images = 16, flops = 1e6, elements = 1000, forward = \"50 us\" "
            "}");
  }

  void add(const toml::source_region& at, std::string what, std::string why, std::string help) {
    wrong_.push_back({.what = std::move(what),
                      .where = fmt::format("{}:{}", name_, at.begin.line),
                      .why = std::move(why),
                      .help = std::move(help)});
  }

  std::string name_;
  toml::table root_;
  std::vector<error_text> wrong_;
};

} // namespace

machine_profile parse_machine_profile(const std::string& content, const std::string& name) {
  return reading(content, name).profile();
}

} // namespace troupe
