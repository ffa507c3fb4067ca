#include "net/trust.hpp"

#include "ops/error.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>
#include <optional>
#include <sstream>

namespace troupe::net {

namespace {

constexpr std::uint32_t last_node = std::numeric_limits<std::uint32_t>::max() - 1;

std::optional<std::uint32_t> number(const std::string& text) {
  std::uint32_t out = 0;
  const char* end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, out);
  if (text.empty() || read.ec != std::errc() || read.ptr != end || out > last_node) return {};
  return out;
}

[[noreturn]] void throw_nodes(const std::string& text, const std::string& where) {
  throw error({.what = "'" + text + "' is no list of nodes",
               .where = where,
               .why = "a list has numbers and ranges, or is the word any",
               .help = "like 3, or 0-3,7"});
}

// The mistake of a line, or nothing.
std::string mistake_of(const std::string& line, trust_list& list, const std::string& where) {
  std::istringstream words(line);
  std::string nodes, more;
  trusted_key one;
  if (!(words >> one.name >> nodes >> one.key) || words >> more)
    return "a line has three words: NAME NODES KEY";
  if (!is_key(one.key)) return "'" + one.key + "' is no public key: a key has 40 characters of Z85";
  for (const trusted_key& other : list.all()) {
    if (other.name == one.name) return "the name '" + one.name + "' is there twice";
    if (other.key == one.key) return "'" + other.name + "' and '" + one.name + "' have one key";
  }
  try {
    one.nodes = parse_nodes(nodes, where);
  } catch (const error& e) {
    return e.text().what + ": " + e.text().help;
  }
  list.allow(std::move(one));
  return "";
}

} // namespace

bool is_key(const std::string& text) {
  static const char* const others = ".-:+=^!/*?&<>()[]{}@%$#";
  return text.size() == 40 && std::all_of(text.begin(), text.end(), [](char c) {
           const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
           return letter || (c >= '0' && c <= '9') || (c != 0 && std::strchr(others, c) != nullptr);
         });
}

std::vector<std::pair<std::uint32_t, std::uint32_t>> parse_nodes(const std::string& text,
                                                                 const std::string& where) {
  if (text == "any") return {{0, last_node}};
  std::vector<std::pair<std::uint32_t, std::uint32_t>> out;
  std::istringstream parts(text);
  for (std::string part; std::getline(parts, part, ',');) {
    const auto dash = part.find('-');
    const auto first = number(part.substr(0, dash));
    const auto last = dash == std::string::npos ? first : number(part.substr(dash + 1));
    if (!first || !last || *last < *first) throw_nodes(text, where);
    out.emplace_back(*first, *last);
  }
  if (out.empty()) throw_nodes(text, where);
  return out;
}

bool trusted_key::may_be(std::uint32_t node) const {
  return std::any_of(nodes.begin(), nodes.end(), [&](const auto& range) {
    return node >= range.first && node <= range.second;
  });
}

std::string trusted_key::nodes_text() const {
  if (nodes.size() == 1 && nodes[0].first == 0 && nodes[0].second == last_node) return "any";
  std::string out;
  for (const auto& [first, last] : nodes) {
    out += (out.empty() ? "" : ",") + std::to_string(first);
    if (last > first) out += "-" + std::to_string(last);
  }
  return out;
}

trust_list trust_list::parse(const std::string& text, const std::string& file) {
  trust_list out;
  std::string wrong;
  std::istringstream lines(text);
  int count = 0;
  for (std::string line; std::getline(lines, line);) {
    const std::string where = file + ":" + std::to_string(++count);
    const auto first = line.find_first_not_of(" \t\r");
    if (first == std::string::npos || line[first] == '#') continue;
    const std::string mistake = mistake_of(line, out, where);
    if (mistake.empty()) continue;
    wrong.append(wrong.empty() ? "" : "\n    ").append(where).append(": ").append(mistake);
  }
  if (!wrong.empty())
    throw error({.what = "the list of trusted keys has mistakes",
                 .where = file,
                 .why = wrong,
                 .help = "troupe keys --allow FILE writes its lines"});
  return out;
}

const trusted_key* trust_list::find(const std::string& key) const {
  const auto at =
      std::find_if(keys_.begin(), keys_.end(), [&](const auto& one) { return one.key == key; });
  return key.empty() || at == keys_.end() ? nullptr : &*at;
}

std::string trust_list::text() const {
  std::string out = "# Who may join: NAME NODES KEY. Written by troupe keys.\n";
  for (const trusted_key& one : keys_)
    out += one.name + " " + one.nodes_text() + " " + one.key + "\n";
  return out;
}

void trust_list::allow(trusted_key one) {
  std::erase_if(keys_, [&](const auto& old) { return old.name == one.name || old.key == one.key; });
  keys_.push_back(std::move(one));
}

bool trust_list::forbid(const std::string& name) {
  return std::erase_if(keys_, [&](const auto& one) { return one.name == name; }) > 0;
}

} // namespace troupe::net
