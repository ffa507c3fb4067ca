#include "cli/slow.hpp"

#include "ops/error.hpp"
#include "troupe/units.hpp"

#include <fmt/format.h>

namespace troupe::cli {

namespace {

constexpr const char* example = "--slow layer_shard/1@x4";

} // namespace

slow_actor parse_slow(const std::string& text) {
  const std::string where = "--slow " + text;
  const auto at = text.find("@x");
  if (at == std::string::npos || at == 0)
    throw error({.what = "a slow actor is named, and how slow it is",
                 .where = where,
                 .why = "ROLE@xFACTOR",
                 .help = example});
  slow_actor out{.who = parse_address(text.substr(0, at), where)};
  const std::string said = text.substr(at + 2);
  if (!parse_real(said, out.factor) || !(out.factor >= 1 && out.factor <= slow_actor::factor_max))
    throw error(
        {.what = fmt::format("'{}' does not say how many times as long it takes", said),
         .where = where,
         .why = fmt::format("a number of 1 to {}; 1 is its own speed", slow_actor::factor_max),
         .help = example});
  return out;
}

std::string slow_text(const slow_actor& slow) {
  return fmt::format("{}@x{}", slow.who.text(), slow.factor);
}

} // namespace troupe::cli
