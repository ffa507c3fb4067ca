#include "actors/fault.hpp"

#include "ops/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <climits>
#include <cstdlib>
#include <iterator>
#include <optional>
#include <utility>

namespace troupe {

namespace {

struct known_verb {
  const char* name;
  const char* object;
};

constexpr known_verb verbs[] = {{"kill", "ROLE, NODE or any"},
                                {"leave", "NODE"},
                                {"join", "NODE"},
                                {"pause", "NODE"},
                                {"resume", "NODE"},
                                {"slow", "NODE xFACTOR or ROLE xFACTOR"},
                                {"cut", "A->B, A-B, node N or rack N"},
                                {"heal", "A->B, A-B, node N or rack N"},
                                {"drop", "A->B or A->B xFRAMES"},
                                {"corrupt", "A->B or A->B xFRAMES"},
                                {"fill-disk", "NODE"},
                                {"empty-disk", "NODE"}};

std::string trimmed(std::string word) {
  word.erase(0, word.find_first_not_of(' '));
  word.erase(word.find_last_not_of(' ') + 1);
  return word;
}

bool parse_number(const std::string& said, int& number) {
  const auto word = trimmed(said);
  int value = 0;
  const auto parsed = std::from_chars(word.data(), word.data() + word.size(), value);
  if (word.empty() || parsed.ec != std::errc{} || parsed.ptr != word.data() + word.size() ||
      value < 0)
    return false;
  number = value;
  return true;
}

// "node 3" or "3"
std::optional<int> node_of(const std::string& text) {
  int number = 0;
  return parse_number(text.starts_with("node ") ? text.substr(5) : text, number)
             ? std::optional(number)
             : std::nullopt;
}

// "OBJECT xNUMBER"; the number is `otherwise` where none is said.
bool split_factor(const std::string& text, double otherwise, std::string& object, double& factor) {
  const auto at = text.rfind(" x");
  object = text.substr(0, at);
  factor = otherwise;
  if (at == std::string::npos) return otherwise > 0;
  const auto said = trimmed(text.substr(at + 2));
  char* end = nullptr;
  factor = std::strtod(said.c_str(), &end);
  return !said.empty() && *end == '\0';
}

// "0->1", "0-1", "node 3", "rack 2"
std::vector<fault> cuts_of(bool cut, const std::string& object) {
  std::vector<std::pair<int, int>> ends;
  int number = 0;
  std::vector<fault> out;
  if (parse_ends(object, ends))
    for (const auto& [a, b] : ends)
      out.push_back(cut ? fault(cut_fault{a, b}) : fault(heal_fault{a, b}));
  for (const auto& [name, what] : {std::pair("node ", whole::node), {"rack ", whole::rack}})
    if (object.starts_with(name) && parse_number(object.substr(5), number))
      out.push_back(cut ? fault(isolate_fault{what, number})
                        : fault(reconnect_fault{what, number}));
  return out;
}

std::vector<fault> losses_of(bool drops, const std::string& text) {
  std::string object;
  double count = 1;
  std::vector<std::pair<int, int>> ends;
  if (!split_factor(text, 1, object, count) || !parse_ends(object, ends)) return {};
  if (!(count >= 1 && count <= 1e6) || count != static_cast<int>(count)) return {};
  std::vector<fault> out;
  for (const auto& [a, b] : ends)
    out.push_back(drops ? fault(drop_fault{a, b, static_cast<int>(count)})
                        : fault(corrupt_fault{a, b, static_cast<int>(count)}));
  return out;
}

std::vector<fault> slowness_of(const std::string& text, const std::string& where) {
  std::string object;
  double factor = 0;
  if (!split_factor(text, 0, object, factor)) return {};
  if (const auto node = node_of(object)) return {slow_fault{*node, factor}};
  return {slow_actor_fault{parse_address(trimmed(object), where), factor}};
}

const known_verb& verb_named(const std::string& name, const std::string& where) {
  const auto* known = std::find_if(
      std::begin(verbs), std::end(verbs), [&](const known_verb& v) { return name == v.name; });
  if (known != std::end(verbs)) return *known;
  const auto& names = fault_verbs();
  const auto near = did_you_mean(name, names.data(), names.data() + names.size());
  std::string all;
  for (const auto& n : names)
    all += (all.empty() ? "" : n == names.back() ? " and " : ", ") + n;
  throw error(
      {.what = fmt::format("'{}' is nothing that happens", name),
       .where = where,
       .why = all + " are known",
       .help = near.empty() ? "kill layer_shard/1" : fmt::format("did you mean '{}'?", near)});
}

std::vector<fault> faults_of_node(const std::string& verb, int node) {
  if (verb == "kill") return {kill_node_fault{node}};
  if (verb == "leave") return {leave_fault{node}};
  if (verb == "join") return {join_fault{node}};
  if (verb == "pause") return {pause_fault{node}};
  if (verb == "resume") return {resume_fault{node}};
  if (verb == "fill-disk") return {fill_disk_fault{node}};
  return {empty_disk_fault{node}};
}

struct wording {
  fault_words operator()(const kill_fault& f) const { return {"kill", f.who.text()}; }

  fault_words operator()(const kill_any_fault&) const { return {"kill", "any"}; }

  fault_words operator()(const kill_node_fault& f) const { return {"kill", whole_text(f.node)}; }

  fault_words operator()(const leave_fault& f) const { return {"leave", number(f.node)}; }

  fault_words operator()(const join_fault& f) const { return {"join", number(f.node)}; }

  fault_words operator()(const pause_fault& f) const { return {"pause", number(f.node)}; }

  fault_words operator()(const resume_fault& f) const { return {"resume", number(f.node)}; }

  fault_words operator()(const slow_fault& f) const {
    return {"slow", fmt::format("{} x{}", f.node, f.factor)};
  }

  fault_words operator()(const slow_actor_fault& f) const {
    return {"slow", fmt::format("{} x{}", f.who.text(), f.factor)};
  }

  fault_words operator()(const cut_fault& f) const { return {"cut", link(f.from, f.to)}; }

  fault_words operator()(const heal_fault& f) const { return {"heal", link(f.from, f.to)}; }

  fault_words operator()(const isolate_fault& f) const {
    return {"cut", whole_text(f.number, f.what)};
  }

  fault_words operator()(const reconnect_fault& f) const {
    return {"heal", whole_text(f.number, f.what)};
  }

  fault_words operator()(const drop_fault& f) const {
    return {"drop", link(f.from, f.to) + times(f.count)};
  }

  fault_words operator()(const corrupt_fault& f) const {
    return {"corrupt", link(f.from, f.to) + times(f.count)};
  }

  fault_words operator()(const fill_disk_fault& f) const { return {"fill-disk", number(f.node)}; }

  fault_words operator()(const empty_disk_fault& f) const { return {"empty-disk", number(f.node)}; }

private:
  static std::string number(int n) { return std::to_string(n); }

  static std::string link(int from, int to) { return fmt::format("{}->{}", from, to); }

  static std::string times(int count) { return count == 1 ? "" : fmt::format(" x{}", count); }

  static std::string whole_text(int n, whole what = whole::node) {
    return fmt::format("{} {}", what == whole::node ? "node" : "rack", n);
  }
};

struct repairing {
  std::optional<fault> operator()(const pause_fault& p) const { return resume_fault{p.node}; }

  std::optional<fault> operator()(const slow_fault& s) const { return slow_fault{s.node, 1}; }

  std::optional<fault> operator()(const slow_actor_fault& s) const {
    return slow_actor_fault{s.who, 1};
  }

  std::optional<fault> operator()(const cut_fault& c) const { return heal_fault{c.from, c.to}; }

  std::optional<fault> operator()(const isolate_fault& i) const {
    return reconnect_fault{i.what, i.number};
  }

  std::optional<fault> operator()(const fill_disk_fault& d) const {
    return empty_disk_fault{d.node};
  }

  template <class Other>
  std::optional<fault> operator()(const Other&) const {
    return {};
  }
};

} // namespace

bool parse_ends(const std::string& text, std::vector<std::pair<int, int>>& ends) {
  const auto arrow = text.find("->");
  const auto dash = text.find('-');
  int from = 0, to = 0;
  if (dash == std::string::npos || !parse_number(text.substr(0, dash), from) ||
      !parse_number(text.substr(arrow == std::string::npos ? dash + 1 : arrow + 2), to))
    return false;
  ends = {{from, to}};
  if (arrow == std::string::npos) ends.emplace_back(to, from);
  return true;
}

fault_words words_of(const fault& f) {
  return std::visit(wording{}, f);
}

std::optional<fault> repair_of(const fault& f) {
  return std::visit(repairing{}, f);
}

std::string no_such_node(int node, int nodes) {
  if (node >= 0 && node < nodes) return {};
  return fmt::format("there is no node {}: they are 0 to {}", node, nodes - 1);
}

std::string text(const fault& f) {
  const auto [verb, object] = words_of(f);
  return verb + ' ' + object;
}

const std::vector<std::string>& fault_verbs() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> out;
    for (const auto& v : verbs)
      out.emplace_back(v.name);
    return out;
  }();
  return names;
}

std::vector<fault>
parse_faults(const std::string& verb, const std::string& said, const std::string& where) {
  const auto& known = verb_named(verb, where);
  const auto object = trimmed(said);
  const auto node = node_of(object);
  std::vector<fault> out;
  if (verb == "cut" || verb == "heal")
    out = cuts_of(verb == "cut", object);
  else if (verb == "drop" || verb == "corrupt")
    out = losses_of(verb == "drop", object);
  else if (verb == "slow")
    out = slowness_of(object, where);
  else if (node)
    out = faults_of_node(verb, *node);
  else if (verb == "kill" && object == "any")
    out = {kill_any_fault{}};
  else if (verb == "kill")
    out = {kill_fault{parse_address(object, where)}};
  if (out.empty())
    throw error({.what = fmt::format("'{} {}' is not understood", verb, object),
                 .where = where,
                 .why = fmt::format("{} {}", verb, known.object),
                 .help = "a node is its number; 0->1 is one direction, 0-1 both"});
  return out;
}

} // namespace troupe
