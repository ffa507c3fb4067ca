#include "troupe/host_list.hpp"

#include "ops/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <string_view>

namespace troupe {

namespace {

constexpr std::size_t hosts_max = 65536;
constexpr std::size_t digits_max = 9;

[[noreturn]] void refuse(const std::string& text, const std::string& why) {
  throw error({.what = fmt::format("'{}' is no list of hosts", text),
               .where = "",
               .why = why,
               .help = "n[001-003,7],m2 is n001, n002, n003, n7 and m2"});
}

// At commas outside brackets.
std::vector<std::string> parts_of(const std::string& text) {
  std::vector<std::string> out(1);
  int depth = 0;
  for (const char c : text) {
    depth += c == '[' ? 1 : c == ']' ? -1 : 0;
    if (depth < 0 || depth > 1) refuse(text, "its brackets do not match");
    if (c == ',' && depth == 0)
      out.emplace_back();
    else
      out.back() += c;
  }
  if (depth != 0) refuse(text, "a bracket is not closed");
  return out;
}

bool is_number(std::string_view text) {
  return !text.empty() && text.size() <= digits_max &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c); });
}

// "001-003,7" -> "001", "002", "003", "7": the width of the first is that of the range.
std::vector<std::string> numbers_of(const std::string& range, const std::string& text) {
  std::vector<std::string> out;
  std::size_t at = 0;
  while (at <= range.size()) {
    const auto end = std::min(range.find(',', at), range.size());
    const std::string one = range.substr(at, end - at);
    const auto dash = one.find('-');
    const std::string first = one.substr(0, dash);
    const std::string last = dash == std::string::npos ? first : one.substr(dash + 1);
    if (!is_number(first) || !is_number(last)) refuse(text, fmt::format("[{}] is no range", one));
    const std::uint64_t from = std::stoull(first), to = std::stoull(last);
    if (to < from) refuse(text, fmt::format("{} comes after {}", first, last));
    if (out.size() + (to - from) >= hosts_max)
      refuse(text, fmt::format("it has more than {} names", hosts_max));
    for (std::uint64_t n = from; n <= to; ++n)
      out.push_back(fmt::format("{:0{}}", n, first.size()));
    at = end + 1;
  }
  return out;
}

// What one part stands for: what is before its first bracket, times the bracket, times the rest.
std::vector<std::string> expanded(const std::string& part, const std::string& text) {
  std::vector<std::string> out{""};
  std::size_t at = 0;
  while (at < part.size()) {
    const auto open = std::min(part.find('[', at), part.size());
    for (std::string& name : out)
      name += part.substr(at, open - at);
    if (open == part.size()) break;
    const auto close = part.find(']', open);
    const auto numbers = numbers_of(part.substr(open + 1, close - open - 1), text);
    if (out.size() * numbers.size() > hosts_max)
      refuse(text, fmt::format("it has more than {} names", hosts_max));
    std::vector<std::string> longer;
    for (const std::string& name : out)
      for (const std::string& number : numbers)
        longer.push_back(name + number);
    out = std::move(longer);
    at = close + 1;
  }
  return out;
}

} // namespace

std::vector<std::string> hosts_in(const std::string& text) {
  std::vector<std::string> out;
  for (const std::string& part : parts_of(text)) {
    if (part.empty()) refuse(text, "a name is empty");
    const auto more = expanded(part, text);
    if (out.size() + more.size() > hosts_max)
      refuse(text, fmt::format("it has more than {} names", hosts_max));
    out.insert(out.end(), more.begin(), more.end());
  }
  return out;
}

} // namespace troupe
