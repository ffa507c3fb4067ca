#include "actors/consistency.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <string_view>

namespace troupe {

namespace {

constexpr std::string_view aware = "staleness-aware rate", compensation = "delay compensation ";

template <class Number>
std::optional<Number> number_of(std::string_view said) {
  Number out{};
  const auto [end, fault] = std::from_chars(said.data(), said.data() + said.size(), out);
  if (said.empty() || fault != std::errc{} || end != said.data() + said.size()) return std::nullopt;
  return out;
}

// "bsp", "synchronous", "asp", "ssp(4)", "ssp:4".
bool read_kind(std::string_view said, consistency& out) {
  if (said == "bsp" || said == "synchronous") return true;
  if (said == "asp" || said == "asynchronous") {
    out.kind = consistency_kind::asynchronous;
    return true;
  }
  if (!said.starts_with("ssp")) return false;
  said.remove_prefix(3);
  if (said.starts_with('(') && said.ends_with(')'))
    said = said.substr(1, said.size() - 2);
  else if (said.starts_with(':'))
    said.remove_prefix(1);
  else
    return false;
  const auto bound = number_of<std::uint64_t>(said);
  if (!bound) return false;
  out.kind = consistency_kind::bounded;
  out.staleness = *bound;
  return true;
}

} // namespace

std::string text(const consistency& c) {
  std::string out = c.kind == consistency_kind::synchronous ? "BSP"
                    : c.kind == consistency_kind::bounded   ? fmt::format("SSP({})", c.staleness)
                                                            : "ASP";
  if (c.staleness_aware) out += fmt::format(", {}", aware);
  if (c.delay_compensation != 0) out += fmt::format(", {}{}", compensation, c.delay_compensation);
  return out;
}

std::optional<consistency> parse_consistency(const std::string& said) {
  std::string lower = said;
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) {
    return static_cast<char>(std::tolower(c));
  });
  consistency out;
  std::string_view rest = lower;
  for (bool first = true; first || !rest.empty(); first = false) {
    const auto comma = std::min(rest.find(", "), rest.size());
    const auto word = rest.substr(0, comma);
    rest.remove_prefix(std::min(comma + 2, rest.size()));
    if (first) {
      if (!read_kind(word, out)) return std::nullopt;
    } else if (word == aware) {
      out.staleness_aware = true;
    } else if (word.starts_with(compensation)) {
      const auto lambda = number_of<float>(word.substr(compensation.size()));
      if (!lambda || !(*lambda >= 0) || !std::isfinite(*lambda)) return std::nullopt;
      out.delay_compensation = *lambda;
    } else {
      return std::nullopt;
    }
  }
  return out;
}

} // namespace troupe
