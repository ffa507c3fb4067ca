#include "actors/fault_point.hpp"

#include "ops/error.hpp"

#include <fmt/format.h>

#include <charconv>
#include <iterator>
#include <limits>

namespace troupe {

namespace {

constexpr const char* form = "ADDRESS@step=N[,message=K][,call=C]; without a step, message K since "
                             "the job began";
constexpr const char* example = "layer_shard/1/0@step=30";

int number_of(const std::string& key,
              const std::string& said,
              int least,
              const std::string& where) {
  int out = 0;
  const auto parsed = std::from_chars(said.data(), said.data() + said.size(), out);
  if (parsed.ec == std::errc{} && parsed.ptr == said.data() + said.size() && !said.empty() &&
      out >= least)
    return out;
  throw error({.what = fmt::format("{} '{}' is not a number", key, said),
               .where = where,
               .why = fmt::format(
                   "{} is a whole number, {} to {}", key, least, std::numeric_limits<int>::max()),
               .help = example});
}

void read_part(fault_point& out, bool& counted, const std::string& part, const std::string& where) {
  const auto equals = part.find('=');
  const std::string key = part.substr(0, equals);
  const std::string said = equals == std::string::npos ? "" : part.substr(equals + 1);
  if (key == "step") {
    out.step = number_of(key, said, 0, where);
  } else if (key == "message") {
    out.message = number_of(key, said, 1, where);
    counted = true;
  } else if (key == "call") {
    out.call = number_of(key, said, 0, where);
  } else {
    static const std::string known[] = {"step", "message", "call"};
    const auto near = did_you_mean(key, std::begin(known), std::end(known));
    throw error({.what = fmt::format("a fault point has no '{}'", key),
                 .where = where,
                 .why = form,
                 .help = near.empty() ? example : fmt::format("did you mean '{}'?", near)});
  }
}

} // namespace

std::string text(const fault_point& p) {
  std::string out = p.who.text() + '@';
  if (p.step != fault_point::any_step) out += fmt::format("step={},", p.step);
  out += fmt::format("message={}", p.message);
  if (p.call) out += fmt::format(",call={}", *p.call);
  return out;
}

fault_point parse_fault_point(const std::string& text, const std::string& where) {
  const auto at = text.find('@');
  fault_point out{.who = {}, .step = fault_point::any_step};
  bool counted = false;
  if (at == std::string::npos || at == 0)
    throw error(
        {.what = "a fault point names who and when", .where = where, .why = form, .help = example});
  out.who = parse_address(text.substr(0, at), where);
  for (std::size_t next = at; next != std::string::npos;) {
    const auto comma = text.find(',', next + 1);
    const auto length = comma == std::string::npos ? comma : comma - next - 1;
    read_part(out, counted, text.substr(next + 1, length), where);
    next = comma;
  }
  if (out.step == fault_point::any_step && !counted)
    throw error({.what = "a fault point says in which step, or at which message",
                 .where = where,
                 .why = form,
                 .help = example});
  return out;
}

} // namespace troupe
