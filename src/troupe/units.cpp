#include "troupe/units.hpp"

#include <charconv>
#include <climits>
#include <cmath>
#include <initializer_list>

namespace troupe {

bool parse_whole(const std::string& text, std::int64_t& number) {
  const char* last = text.data() + text.size();
  const auto [end, code] = std::from_chars(text.data(), last, number);
  return code == std::errc() && end == last && !text.empty();
}

bool parse_real(const std::string& text, double& number) {
  const char* last = text.data() + text.size();
  const auto [end, code] = std::from_chars(text.data(), last, number);
  return code == std::errc() && end == last && !text.empty() && std::isfinite(number);
}

namespace {

struct unit {
  const char* name;
  double factor;
};

bool parse_quantity(const std::string& text,
                    std::initializer_list<unit> units,
                    double most,
                    double& value) {
  for (const unit& u : units) {
    const std::string name = u.name;
    if (text.size() <= name.size() || !text.ends_with(name)) continue;
    auto word = text.substr(0, text.size() - name.size());
    word.erase(word.find_last_not_of(' ') + 1);
    double number = 0;
    if (!parse_real(word, number) || number < 0 || number * u.factor > most) continue;
    value = number * u.factor;
    return true;
  }
  return false;
}

} // namespace

bool parse_time(const std::string& text, std::chrono::nanoseconds& time) {
  double value = 0;
  if (!parse_quantity(text, {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}}, 1e17, value))
    return false;
  time = std::chrono::nanoseconds(std::llround(value));
  return true;
}

bool parse_share(const std::string& text, double& share) {
  return parse_quantity(text, {{"%", 0.01}}, 1e17, share) || parse_real(text, share);
}

bool parse_rate(const std::string& text, double& per_second) {
  return parse_quantity(text, {{"/s", 1}}, 1e9, per_second) && per_second > 0;
}

bool parse_bandwidth(const std::string& text, double& bytes_per_second) {
  return parse_quantity(text,
                        {{"Gbit/s", 1e9 / 8},
                         {"Mbit/s", 1e6 / 8},
                         {"kbit/s", 1e3 / 8},
                         {"GB/s", 1e9},
                         {"MB/s", 1e6},
                         {"kB/s", 1e3}},
                        1e18,
                        bytes_per_second);
}

bool parse_bytes(const std::string& text, std::int64_t& bytes) {
  double value = 0;
  if (!parse_quantity(
          text, {{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"B", 1}}, 1e18, value))
    return false;
  bytes = static_cast<std::int64_t>(value);
  return true;
}

bool parse_slowness(const std::string& text, double& slowness) {
  if (parse_quantity(text, {{"x slower", 1}}, 1e17, slowness)) return true;
  double value = 0;
  if (!parse_quantity(text, {{"x faster", 1}}, 1e17, value) || value <= 0) return false;
  slowness = 1 / value;
  return true;
}

bool parse_count(const std::string& text, const std::string& noun, int& count) {
  for (const auto& name : {noun, noun.substr(0, noun.size() - 1)}) {
    std::int64_t number = 0;
    if (!text.ends_with(" " + name) ||
        !parse_whole(text.substr(0, text.size() - name.size() - 1), number) || number < 0 ||
        number > INT_MAX)
      continue;
    count = static_cast<int>(number);
    return true;
  }
  return false;
}

} // namespace troupe
