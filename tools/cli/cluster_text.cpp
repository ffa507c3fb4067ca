#include "cli/cluster_text.hpp"

#include "cli/mistakes.hpp"
#include "cli/values.hpp"
#include "troupe/units.hpp"

#include <fmt/format.h>

#include <climits>

namespace troupe::cli {

namespace {

using std::chrono::nanoseconds;

constexpr const char* event_example = "30 ms kill layer_shard/1";

std::string trimmed(std::string word) {
  word.erase(0, word.find_first_not_of(' '));
  word.erase(word.find_last_not_of(' ') + 1);
  return word;
}

bool parse_number(const std::string& word, int& number) {
  std::int64_t value = 0;
  if (!parse_whole(trimmed(word), value) || value < 0 || value > INT_MAX) return false;
  number = static_cast<int>(value);
  return true;
}

// Cuts "0-1: 1 ms" at the colon; without one it is for all.
std::pair<std::string, std::string> scope_of(const std::string& text) {
  const auto colon = text.find(':');
  if (colon == std::string::npos) return {"", text};
  return {text.substr(0, colon), text.substr(colon + 1)};
}

bool set_link(const std::string& part, link_model& to) {
  const auto blank = part.find(' ');
  const auto word = part.substr(0, blank);
  const auto rest = blank == std::string::npos ? "" : part.substr(blank + 1);
  if (word == "jitter") return parse_time(rest, to.jitter);
  if (word == "timeout") return parse_time(rest, to.resend_after);
  if (word == "loss") return parse_share(rest, to.loss);
  if (word == "duplicates") return parse_share(rest, to.duplicates);
  return parse_bandwidth(part, to.bytes_per_second) || parse_time(part, to.latency);
}

bool set_node(const std::string& part, node_model& to) {
  return parse_count(part, "cores", to.cores) || parse_slowness(part, to.slowness) ||
         parse_bandwidth(part, to.bytes_per_second) || parse_bytes(part, to.memory_bytes);
}

bool set_racks(const std::string& part, rack_model& to) {
  return parse_count(part, "nodes", to.nodes) || parse_bandwidth(part, to.bytes_per_second) ||
         parse_time(part, to.latency);
}

} // namespace

void parse_node(const std::string& text, simulation_model& to, std::vector<error_text>& wrong) {
  const auto [scope, rest] = scope_of(text);
  int number = 0;
  if (!scope.empty() && !parse_number(scope, number)) {
    wrong.push_back({.what = fmt::format("'{}' is no node", scope),
                     .where = "--node " + text,
                     .why = "before the colon stands its number",
                     .help = "--node \"3: 2x slower\""});
    return;
  }
  node_model& n = scope.empty() ? to.node : to.nodes.try_emplace(number, to.node).first->second;
  for (const auto& part : split(rest, ','))
    if (!set_node(part, n))
      wrong.push_back({.what = fmt::format("'{}' does not say how a node is", part),
                       .where = "--node " + text,
                       .why =
                           "N cores, Fx slower, Fx faster, the bandwidth of its port (25 Gbit/s) "
                           "and its memory (8 GB) are known, by commas",
                       .help = "--node \"2x slower, 4 cores\""});
}

void parse_link(const std::string& text, simulation_model& to, std::vector<error_text>& wrong) {
  const auto [scope, rest] = scope_of(text);
  std::vector<std::pair<int, int>> ends;
  if (!scope.empty() && !parse_ends(scope, ends)) {
    wrong.push_back({.what = fmt::format("'{}' does not name a link", scope),
                     .where = "--link " + text,
                     .why = "0->1 is one way, 0-1 both",
                     .help = "--link \"0-1: 20 ms, 1 Gbit/s\""});
    return;
  }
  auto model = to.link;
  for (const auto& part : split(rest, ','))
    if (!set_link(part, model))
      wrong.push_back({.what = fmt::format("'{}' does not say how a link is", part),
                       .where = "--link " + text,
                       .why =
                           "a latency (1 ms), a bandwidth (10 Gbit/s, 1 GB/s), jitter TIME, loss "
                           "SHARE, timeout TIME and duplicates SHARE are known, by commas",
                       .help = "--link \"1 ms, 10 Gbit/s\""});
  if (ends.empty()) to.link = model;
  for (const auto& pair : ends)
    to.links[pair] = model;
}

void parse_racks(const std::string& text, simulation_model& to, std::vector<error_text>& wrong) {
  for (const auto& part : split(text, ','))
    if (!set_racks(part, to.racks))
      wrong.push_back({.what = fmt::format("'{}' does not say how racks are", part),
                       .where = "--racks " + text,
                       .why = "N nodes in each, the bandwidth of its uplink (100 Gbit/s) and the "
                              "latency between racks (2 us) are known, by commas",
                       .help = "--racks \"40 nodes, 100 Gbit/s, 2 us\""});
}

void add_event(nanoseconds when,
               const std::string& verb,
               const std::string& object,
               const std::string& where,
               simulation_model& to,
               std::vector<error_text>& wrong) {
  try {
    for (const auto& f : parse_faults(verb, object, where))
      to.faults.push_back({when, f, where});
  } catch (const error& e) {
    wrong.push_back(e.text());
  }
}

void parse_event(const std::string& text,
                 const std::string& where,
                 simulation_model& to,
                 std::vector<error_text>& wrong) {
  std::vector<std::string> words;
  for (auto& word : split(text, ' '))
    if (!word.empty()) words.push_back(std::move(word));
  std::size_t at = 1; // "30 ms" or "30ms"
  nanoseconds when{0};
  bool understood = !words.empty() && parse_time(words[0], when);
  if (!understood && words.size() > 1) understood = parse_time(words[0] + words[at++], when);
  if (!understood || at >= words.size()) {
    wrong.push_back({.what = fmt::format("'{}' is no event", text),
                     .where = where,
                     .why = fmt::format("first a time, 0 or later ({}), then {}",
                                        time_units,
                                        choice_text(fault_verbs())),
                     .help = event_example});
    return;
  }
  std::string object;
  for (std::size_t i = at + 1; i < words.size(); ++i)
    object += (object.empty() ? "" : " ") + words[i];
  add_event(when, words[at], object, where, to, wrong);
}

} // namespace troupe::cli
