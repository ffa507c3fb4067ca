#include "cli/values.hpp"

#include "cli/mistakes.hpp"
#include "troupe/units.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::cli {

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> out;
  if (text.empty()) return out;
  std::size_t first = 0;
  while (true) {
    const auto end = text.find(at, first);
    std::string part = text.substr(first, end == std::string::npos ? end : end - first);
    part.erase(0, part.find_first_not_of(' '));
    part.erase(part.find_last_not_of(' ') + 1);
    out.push_back(part);
    if (end == std::string::npos) return out;
    first = end + 1;
  }
}

std::string value_reader::text(const std::string& name) const {
  const auto& values = values_.at(name).values;
  return values.empty() ? "" : values.back();
}

bool value_reader::flag(const std::string& name) {
  const std::string said = text(name);
  for (const char* yes : {"true", "1", "yes", "on"})
    if (said == yes) return true;
  for (const char* no : {"false", "0", "no", "off", ""})
    if (said == no) return false;
  add({.what = fmt::format("{} '{}' is neither true nor false", name, said),
       .where = where(name),
       .why = "",
       .help = "true or false"});
  return false;
}

std::int64_t value_reader::whole(const std::string& name, std::int64_t least, std::int64_t most) {
  std::int64_t number = least;
  const std::string said = text(name);
  if (!parse_whole(said, number)) {
    add({.what = fmt::format("{} '{}' is not a whole number", name, said),
         .where = where(name),
         .why = "",
         .help = fmt::format("give a number of at least {}", least)});
    return least;
  }
  if (number < least || number > most) {
    const bool open = most == INT64_MAX;
    add({.what = fmt::format("{} {} is out of range", name, number),
         .where = where(name),
         .why = open ? fmt::format("it must be at least {}", least)
                     : fmt::format("{} to {} are allowed", least, most),
         .help = ""});
    return least;
  }
  return number;
}

double value_reader::real(const std::string& name, double least, double most) {
  double number = least;
  const std::string said = text(name);
  if (!parse_real(said, number)) {
    add({.what = fmt::format("{} '{}' is not a number", name, said), .where = where(name)});
    return least;
  }
  if (number < least || number > most) {
    add({.what = fmt::format("{} {} is out of range", name, said),
         .where = where(name),
         .why = most > 1e30 ? fmt::format("it must be at least {}", least)
                            : fmt::format("{} to {} are allowed", least, most)});
    return least;
  }
  return number;
}

std::string value_reader::choice(const std::string& name, const std::vector<std::string>& known) {
  const std::string said = text(name);
  if (std::find(known.begin(), known.end(), said) != known.end()) return said;
  add({.what = fmt::format("unknown {} '{}'", name, said),
       .where = where(name),
       .why = choice_text(known) + " are known",
       .help = suggestion(said, known, "choose one of them")});
  return known.front();
}

std::vector<std::string> value_reader::list(const std::string& name) const {
  return split(text(name), ',');
}

std::vector<std::int64_t> value_reader::whole_list(const std::string& name, std::int64_t least) {
  std::vector<std::int64_t> out;
  for (const std::string& part : list(name)) {
    std::int64_t number = 0;
    if (parse_whole(part, number) && number >= least)
      out.push_back(number);
    else
      add({.what =
               fmt::format("'{}' in {} is not a whole number of at least {}", part, name, least),
           .where = where(name),
           .why = "",
           .help = fmt::format("separate whole numbers by commas: --{} 200,400", name)});
  }
  return out;
}

} // namespace troupe::cli
