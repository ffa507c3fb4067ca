#include "cli/kill.hpp"

#include "cli/mistakes.hpp"
#include "cli/values.hpp"
#include "ops/error.hpp"

#include <fmt/format.h>

#include <climits>

namespace troupe::cli {

namespace {

constexpr const char* example = "--kill layer_shard/1/0@step=30";

} // namespace

planned_kill parse_kill(const std::string& text) {
  const std::string where = "--kill " + text;
  const auto at = text.find('@');
  if (at == std::string::npos || at == 0)
    throw error({.what = "a kill names who and when",
                 .where = where,
                 .why = "ROLE@step=N[,message=K]",
                 .help = example});
  planned_kill out{.who = actor_of(text.substr(0, at), where)};
  bool dated = false;
  for (const std::string& part : split(text.substr(at + 1), ',')) {
    const auto equals = part.find('=');
    const std::string key = part.substr(0, equals);
    if (key != "step" && key != "message")
      throw error({.what = fmt::format("a kill has no '{}'", key),
                   .where = where,
                   .why = "step and message are known",
                   .help = suggestion(key, {"step", "message"}, example)});
    std::int64_t number = 0;
    const std::string said = equals == std::string::npos ? "" : part.substr(equals + 1);
    if (!parse_whole(said, number) || number < 0 || number > INT_MAX)
      throw error({.what = fmt::format("{} '{}' of a kill is not a number", key, said),
                   .where = where,
                   .why = "",
                   .help = example});
    if (key == "step") {
      out.step = number;
      dated = true;
    } else {
      out.after_messages = static_cast<int>(number);
    }
  }
  if (!dated)
    throw error({.what = "a kill says in which step", .where = where, .why = "", .help = example});
  return out;
}

std::string kill_text(const planned_kill& kill) {
  return fmt::format("{}@step={},message={}", kill.who.text(), kill.step, kill.after_messages);
}

} // namespace troupe::cli
