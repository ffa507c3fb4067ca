#include "cli/settings.hpp"

#include "cli/mistakes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <sstream>

namespace troupe::cli {

namespace {

std::string trimmed(const std::string& text) {
  const auto blank = " \t\r";
  const auto first = text.find_first_not_of(blank);
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(blank) - first + 1);
}

const setting* find(const setting_list& known, const std::string& name) {
  const auto at = std::find_if(known.begin(), known.end(), [&](auto& s) { return s.name == name; });
  return at == known.end() ? nullptr : &*at;
}

std::vector<std::string> names_of(const setting_list& known) {
  std::vector<std::string> out;
  for (const setting& s : known)
    out.push_back(s.name);
  return out;
}

// The words of a value: quoted or bare, between commas and brackets, up to a comment.
struct value_words {
  std::vector<std::string> words;
  bool complete = true;
};

value_words words_of(const std::string& text) {
  value_words out;
  std::string word;
  bool open = false;
  const auto close = [&] {
    word = trimmed(word);
    if (open || !word.empty()) out.words.push_back(word);
    word.clear();
    open = false;
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '#') break;
    if (c == '"' || c == '\'') {
      const auto end = text.find(c, i + 1);
      out.complete = out.complete && end != std::string::npos;
      word = text.substr(i + 1, end == std::string::npos ? end : end - i - 1);
      out.words.push_back(word);
      word.clear();
      if (end == std::string::npos) return out;
      i = end;
    } else if (c == ',') {
      close();
    } else if (c != '[' && c != ']') {
      word += c;
    }
  }
  close();
  return out;
}

std::string quoted(const std::string& value) {
  const char mark = value.find('"') == std::string::npos ? '"' : '\'';
  return mark + value + mark;
}

std::string value_text(const setting& s, const setting_value& value) {
  const bool bare = s.kind == setting_kind::number || s.kind == setting_kind::flag;
  if (s.repeats) {
    std::string out;
    for (const std::string& v : value.values)
      out += (out.empty() ? "" : ", ") + quoted(v);
    return "[" + out + "]";
  }
  const std::string v = value.values.empty() ? "" : value.values.back();
  return bare && !v.empty() ? v : quoted(v);
}

const char* origin_text(origin from) {
  switch (from) {
  case origin::standard:
    return "default";
  case origin::file:
    return "config file";
  case origin::environment:
    return "environment";
  case origin::flag:
    return "flag";
  }
  return "";
}

setting_value standard_of(const setting& s) {
  setting_value out;
  if (!s.repeats || !s.otherwise.empty()) out.values = {s.otherwise};
  return out;
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (std::size_t i = 0; i < words.size(); ++i)
    out += (i > 0 ? "," : "") + words[i];
  return out;
}

} // namespace

setting_values
read_config(const std::string& text, const std::string& name, const setting_list& known) {
  setting_values out;
  std::vector<error_text> wrong;
  std::istringstream lines(text);
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    line = trimmed(line);
    if (line.empty() || line.front() == '#' || line.front() == ';') continue;
    const auto equals = line.find('=');
    if (line.front() == '[' && equals == std::string::npos) continue;
    const std::string where = fmt::format("{}:{}  {}", name, number, line);
    if (equals == std::string::npos) {
      wrong.push_back({.what = "a line of the configuration says nothing",
                       .where = where,
                       .why = "a line is a setting, '=' and its value",
                       .help = "batch = 128"});
      continue;
    }
    const std::string key = trimmed(line.substr(0, equals));
    const setting* s = find(known, key);
    if (s == nullptr) {
      wrong.push_back({.what = fmt::format("unknown setting '{}'", key),
                       .where = where,
                       .why = "",
                       .help = suggestion(key, names_of(known), "troupe train --help lists them")});
      continue;
    }
    const value_words value = words_of(line.substr(equals + 1));
    if (!value.complete)
      wrong.push_back({.what = fmt::format("the text of '{}' has no end", key),
                       .where = where,
                       .why = "its quotation mark is not closed",
                       .help = fmt::format("{} = \"...\"", key)});
    setting_value& to = out[key];
    to.from = origin::file;
    to.where = where;
    if (s->repeats)
      to.values.insert(to.values.end(), value.words.begin(), value.words.end());
    else
      to.values = {joined(value.words)};
  }
  if (!wrong.empty()) throw mistakes(std::move(wrong));
  return out;
}

std::string variable_of(const setting& s) {
  std::string out = "TROUPE_";
  for (const char c : s.name)
    out += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

setting_values resolve(const setting_list& known,
                       const setting_values& file,
                       const environment& surroundings,
                       const flag_words& flags) {
  setting_values out;
  for (const setting& s : known) {
    setting_value& value = out[s.name];
    value = standard_of(s);
    if (const auto at = file.find(s.name); at != file.end()) value = at->second;
    const std::string variable = variable_of(s);
    if (const char* said = surroundings ? surroundings(variable) : nullptr; said != nullptr)
      value = {{said}, origin::environment, fmt::format("{}={}", variable, said)};
    if (const auto at = flags.find(s.name); at != flags.end() && !at->second.empty()) {
      value.from = origin::flag;
      value.values = at->second;
      if (!s.repeats) value.values = {at->second.back()};
      value.where = "--" + s.name;
      if (s.kind == setting_kind::flag)
        value.where = (value.values.back() == "false" ? "--no-" : "--") + s.name;
      else
        for (const std::string& v : value.values)
          value.where += " " + v;
    }
  }
  return out;
}

std::string config_text(const setting_list& known, const setting_values& values, bool origins) {
  std::string out, group;
  for (const setting& s : known) {
    if (!s.kept && !origins) continue;
    if (s.group != group) out += fmt::format("{}# {}\n", group.empty() ? "" : "\n", s.group);
    group = s.group;
    const setting_value& value = values.at(s.name);
    std::string line = fmt::format("{} = {}", s.name, value_text(s, value));
    if (origins) {
      line = fmt::format("{:<36} # {}", line, origin_text(value.from));
      if (!value.where.empty()) line += ": " + value.where.substr(0, value.where.find("  "));
    }
    out += line + "\n";
  }
  return out;
}

} // namespace troupe::cli
