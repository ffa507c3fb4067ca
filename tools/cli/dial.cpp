#include "cli/dial.hpp"

#include "cli/mistakes.hpp"
#include "ops/error.hpp"
#include "troupe/units.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace troupe::cli {

namespace {

constexpr const char* example = "--dial prefetch=4, or --dial depth:layer_shard/0/1=1@step=50";

credit_kind kind_of(const std::string& name, const std::string& where) {
  const auto& names = credit_names();
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end())
    throw error({.what = fmt::format("there is no dial '{}'", name),
                 .where = where,
                 .why = fmt::format("{} are known", fmt::join(names, ", ")),
                 .help = suggestion(name, names, example)});
  return static_cast<credit_kind>(found - names.begin());
}

std::int64_t number_of(const std::string& said, const char* what, const std::string& where) {
  std::int64_t out = 0;
  if (!parse_whole(said, out) || out < 0)
    throw error({.what = fmt::format("{} '{}' of a dial is not a number", what, said),
                 .where = where,
                 .why = "",
                 .help = example});
  return out;
}

} // namespace

dial parse_dial(const std::string& said) {
  const std::string where = "--dial " + said;
  const auto equals = said.find('=');
  if (equals == std::string::npos || equals == 0)
    throw error({.what = "a dial is named, and what it is set to",
                 .where = where,
                 .why = "KIND[:ROLE]=VALUE[@step=N]",
                 .help = example});
  const std::string edges = said.substr(0, equals);
  const auto colon = edges.find(':');
  dial out{.kind = kind_of(edges.substr(0, colon), where)};
  if (colon != std::string::npos) out.of = parse_address(edges.substr(colon + 1), where);
  const auto at = said.find('@', equals);
  out.value = static_cast<std::uint64_t>(number_of(
      said.substr(equals + 1, at == std::string::npos ? at : at - equals - 1), "value", where));
  if (at == std::string::npos) return out;
  const std::string when = said.substr(at + 1);
  if (!when.starts_with("step="))
    throw error({.what = fmt::format("'{}' does not say when a dial is set", when),
                 .where = where,
                 .why = "@step=N: when N steps are committed",
                 .help = example});
  out.step = number_of(when.substr(5), "step", where);
  return out;
}

} // namespace troupe::cli
