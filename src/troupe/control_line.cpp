#include "troupe/control_line.hpp"

#include <nlohmann/json.hpp>

namespace troupe {

namespace {

using object = nlohmann::ordered_json;

std::string line_of(const object& o) {
  return o.dump(-1, ' ', false, object::error_handler_t::replace) + "\n";
}

constexpr const char* fields[] = {"what", "where", "why", "help"};

} // namespace

std::string request_line(const control_arguments& request) {
  object out = object::object();
  for (const auto& [name, value] : request)
    out[name] = value;
  return line_of(out);
}

std::string answer_line(const std::string& answer) {
  return line_of({{"ok", true}, {"answer", answer}});
}

std::string refusal_line(const error_text& why) {
  object out = {{"ok", false}};
  const std::string* texts[] = {&why.what, &why.where, &why.why, &why.help};
  for (int i = 0; i < 4; ++i)
    out[fields[i]] = *texts[i];
  return line_of(out);
}

// Deep ones are refused before they are parsed: the parser is recursive.
control_arguments parse_request(const std::string& line) {
  const auto read = nlohmann::json::parse(
      line,
      [](int depth, nlohmann::json::parse_event_t event, nlohmann::json&) {
        return depth == 0 || event == nlohmann::json::parse_event_t::value ||
               event == nlohmann::json::parse_event_t::key;
      },
      false);
  if (!read.is_object())
    throw error({.what = "a request is no JSON object",
                 .why = "it is one object in one line, whose values are texts",
                 .help = R"({"ask": "why"})"});
  control_arguments out;
  for (const auto& [name, value] : read.items()) {
    if (!value.is_string())
      throw error({.what = "'" + name + "' of a request is no text",
                   .why = "all values of a request are texts",
                   .help = R"({"ask": "why"})"});
    out[name] = value.get<std::string>();
  }
  return out;
}

std::string parse_answer(const std::string& line) {
  const auto read = nlohmann::json::parse(line, nullptr, false);
  const auto text = [&](const char* name) {
    const auto at = read.find(name);
    return at != read.end() && at->is_string() ? at->get<std::string>() : std::string();
  };
  const bool is_answer = read.is_object() && read.contains("ok") && read["ok"].is_boolean();
  if (is_answer && read["ok"].get<bool>()) return text("answer");
  if (!is_answer)
    throw error({.what = "the run answers what cannot be read",
                 .why = "it may be of another version",
                 .help = "use the program that it was started with"});
  throw error({text(fields[0]), text(fields[1]), text(fields[2]), text(fields[3])});
}

} // namespace troupe
