#include "actors/address.hpp"

#include "ops/error.hpp"

#include <fmt/format.h>

#include <charconv>
#include <limits>

namespace troupe {

const std::vector<std::string>& role_names() {
  static const std::vector<std::string> names = {"director",
                                                 "data_loader",
                                                 "layer_shard",
                                                 "gradient_aggregator",
                                                 "parameter_holder",
                                                 "supervisor",
                                                 "evaluator",
                                                 "checkpointer",
                                                 "recorder",
                                                 "residual_keeper"};
  return names;
}

const char* role_text(role_kind role) {
  return role_names()[static_cast<std::size_t>(role)].c_str();
}

std::string address::text() const {
  std::string out = role_text(role);
  const std::uint32_t numbers[] = {replica, stage, slice};
  int last = slice != 0 ? 3 : stage != 0 ? 2 : 1;
  if ((role == role_kind::layer_shard || role == role_kind::residual_keeper) && last < 2) last = 2;
  const bool one_of_its_kind = role == role_kind::director || role == role_kind::supervisor ||
                               role == role_kind::checkpointer || role == role_kind::recorder;
  if (one_of_its_kind && *this == address{.role = role}) return out;
  for (int i = 0; i < last; ++i)
    out += fmt::format("/{}", numbers[i]);
  return out;
}

address parse_address(const std::string& text, const std::string& where) {
  const auto slash = text.find('/');
  const std::string role = text.substr(0, slash);
  const auto& names = role_names();
  address out;
  std::size_t kind = 0;
  while (kind < names.size() && names[kind] != role)
    ++kind;
  if (kind == names.size()) {
    const auto near = did_you_mean(role, names.data(), names.data() + names.size());
    throw error({.what = fmt::format("there is no role '{}'", role),
                 .where = where.empty() ? text : where,
                 .why = fmt::format("roles: {}", fmt::join(names, ", ")),
                 .help = near.empty() ? "write ROLE/REPLICA/STAGE, e.g. layer_shard/1/0"
                                      : fmt::format("did you mean '{}'?", near)});
  }
  out.role = static_cast<role_kind>(kind);
  std::uint32_t numbers[3] = {};
  std::size_t at = slash, count = 0;
  while (at != std::string::npos) {
    const char* first = text.data() + at + 1;
    const auto next = text.find('/', at + 1);
    const char* last = text.data() + (next == std::string::npos ? text.size() : next);
    std::uint32_t value = 0;
    const auto parsed = std::from_chars(first, last, value);
    const bool fits = count == 0 || value <= std::numeric_limits<std::uint16_t>::max();
    if (count == 3 || first == last || parsed.ec != std::errc{} || parsed.ptr != last || !fits)
      throw error({.what = fmt::format("'{}' is not an address", text),
                   .where = where,
                   .why = "after the role come at most three numbers: replica, stage, slice",
                   .help = fmt::format("write {}/0 or {}/0/0", role, role)});
    numbers[count++] = value;
    at = next;
  }
  out.replica = numbers[0];
  out.stage = static_cast<std::uint16_t>(numbers[1]);
  out.slice = static_cast<std::uint16_t>(numbers[2]);
  return out;
}

} // namespace troupe
