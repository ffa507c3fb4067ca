#include "cli/simulation_options.hpp"

#include "cli/mistakes.hpp"
#include "ops/files/atomic_file.hpp"

#include <fmt/format.h>

#include <climits>
#include <sstream>
#include <utility>

namespace troupe::cli {

namespace {

using std::chrono::nanoseconds;

constexpr const char* link_example = "--link \"1 ms, 10 Gbit/s\"";
constexpr const char* node_example = "--node \"2x slower, 4 cores\"";
constexpr const char* event_example = "30 ms kill layer_shard/1";

struct unit {
  const char* name;
  double factor;
};

// A number and one of the units, a blank between them or not.
bool parse_quantity(const std::string& text, std::initializer_list<unit> units, double& value) {
  for (const unit& u : units) {
    const std::string name = u.name;
    if (text.size() <= name.size() || !text.ends_with(name)) continue;
    auto number = text.substr(0, text.size() - name.size());
    number.erase(number.find_last_not_of(' ') + 1);
    if (!parse_real(number, value) || value < 0) continue;
    value *= u.factor;
    return true;
  }
  return false;
}

bool parse_time(const std::string& text, nanoseconds& time) {
  double value = 0;
  if (!parse_quantity(text, {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}}, value) ||
      value > 1e17)
    return false;
  time = nanoseconds(static_cast<std::int64_t>(value));
  return true;
}

bool parse_share(const std::string& text, double& share) {
  return parse_quantity(text, {{"%", 0.01}}, share) || parse_real(text, share);
}

// "0->1" or "0-1": one way or both.
bool parse_ends(const std::string& text, std::vector<std::pair<int, int>>& ends) {
  const auto arrow = text.find("->");
  const auto dash = text.find('-');
  if (dash == std::string::npos) return false;
  const auto whole = [](const std::string& word, int& number) {
    std::int64_t value = 0;
    const auto parts = split(word, ' ');
    if (parts.size() != 1 || !parse_whole(parts.front(), value) || value < 0 || value > INT_MAX)
      return false;
    number = static_cast<int>(value);
    return true;
  };
  const auto trim = [](std::string word) {
    word.erase(0, word.find_first_not_of(' '));
    word.erase(word.find_last_not_of(' ') + 1);
    return word;
  };
  int from = 0, to = 0;
  if (!whole(trim(text.substr(0, dash)), from) ||
      !whole(trim(text.substr(arrow == std::string::npos ? dash + 1 : arrow + 2)), to))
    return false;
  ends = {{from, to}};
  if (arrow == std::string::npos) ends.emplace_back(to, from);
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
  if (parse_quantity(part,
                     {{"Gbit/s", 1e9 / 8},
                      {"Mbit/s", 1e6 / 8},
                      {"kbit/s", 1e3 / 8},
                      {"GB/s", 1e9},
                      {"MB/s", 1e6},
                      {"kB/s", 1e3}},
                     to.bytes_per_second))
    return true;
  return parse_time(part, to.latency);
}

bool set_node(const std::string& part, node_model& to) {
  double value = 0;
  if (parse_quantity(part, {{"cores", 1}, {"core", 1}}, value) && value <= INT_MAX) {
    to.cores = static_cast<int>(value);
    return true;
  }
  if (parse_quantity(part, {{"x slower", 1}}, to.slowness)) return true;
  if (!parse_quantity(part, {{"x faster", 1}}, value) || value <= 0) return false;
  to.slowness = 1 / value;
  return true;
}

} // namespace

void parse_node(const std::string& text, simulation_model& to, std::vector<error_text>& wrong) {
  const auto [scope, rest] = scope_of(text);
  std::int64_t number = 0;
  if (!scope.empty() && (!parse_whole(scope, number) || number < 0 || number > INT_MAX)) {
    wrong.push_back({.what = fmt::format("'{}' is no node", scope),
                     .where = "--node " + text,
                     .why = "before the colon stands its number",
                     .help = "--node \"3: 2x slower\""});
    return;
  }
  node_model& n = scope.empty()
                      ? to.node
                      : to.nodes.try_emplace(static_cast<int>(number), to.node).first->second;
  for (const auto& part : split(rest, ','))
    if (!set_node(part, n))
      wrong.push_back({.what = fmt::format("'{}' does not say how a node is", part),
                       .where = "--node " + text,
                       .why = "N cores, Fx slower and Fx faster are known, by commas",
                       .help = node_example});
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
                       .help = link_example});
  if (ends.empty()) to.link = model;
  for (const auto& pair : ends)
    to.links[pair] = model;
}

namespace {

// What follows the time. False: it is not understood.
bool add_fault(nanoseconds when,
               const std::string& what,
               const std::string& rest,
               const std::string& where,
               simulation_model& to) {
  const auto add = [&](fault f) { to.faults.push_back({when, std::move(f)}); };
  std::vector<std::pair<int, int>> ends;
  std::int64_t node = 0;
  const auto is_node = [&](const std::string& text) {
    return parse_whole(text, node) && node >= 0 && node <= INT_MAX;
  };
  if (what == "kill") {
    add(kill_fault{actor_of(rest, where)});
  } else if (what == "pause" && is_node(rest)) {
    add(pause_fault{static_cast<int>(node)});
  } else if (what == "resume" && is_node(rest)) {
    add(resume_fault{static_cast<int>(node)});
  } else if (what == "slow") {
    const auto at = rest.find(" x");
    double factor = 0;
    if (at == std::string::npos || !is_node(rest.substr(0, at)) ||
        !parse_real(rest.substr(at + 2), factor))
      return false;
    add(slow_fault{static_cast<int>(node), factor});
  } else if ((what == "cut" || what == "heal") && parse_ends(rest, ends)) {
    for (const auto& [a, b] : ends)
      what == "cut" ? add(cut_fault{a, b}) : add(heal_fault{a, b});
  } else {
    return false;
  }
  return true;
}

void read_scenario(const std::string& path, simulation_model& to, std::vector<error_text>& wrong) {
  std::istringstream lines(read_file(path));
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    line = line.substr(0, line.find('#'));
    const auto first = line.find_first_not_of(" \t\r");
    if (first == std::string::npos) continue;
    line = line.substr(first, line.find_last_not_of(" \t\r") - first + 1);
    parse_event(line, fmt::format("{}:{}", path, number), to, wrong);
  }
}

} // namespace

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
  std::string rest;
  for (std::size_t i = at + 1; i < words.size(); ++i)
    rest += (rest.empty() ? "" : " ") + words[i];
  try {
    if (understood && at < words.size() && add_fault(when, words[at], rest, where, to)) return;
    wrong.push_back({.what = fmt::format("'{}' is no event", text),
                     .where = where,
                     .why = known_events,
                     .help = event_example});
  } catch (const error& e) {
    wrong.push_back(e.text());
  }
}

simulation_options simulation_options_of(const setting_values& values) {
  value_reader read(values);
  simulation_options out;
  auto& model = out.cluster.model;
  std::vector<error_text> wrong;
  out.cluster.nodes = static_cast<int>(read.whole("nodes", 0, 1'000'000));
  model.seed = static_cast<std::uint64_t>(read.whole("world-seed", 0, INT64_MAX));
  if (read.flag("any-order")) model.order = exploration::anything;
  for (const std::string& text : read.value("node").values)
    parse_node(text, model, wrong);
  for (const std::string& text : read.value("link").values)
    parse_link(text, model, wrong);
  for (const std::string& text : read.value("event").values)
    parse_event(text, "--event " + text, model, wrong);
  if (const auto path = read.text("scenario"); !path.empty()) try {
      read_scenario(path, model, wrong);
    } catch (const error& e) {
      wrong.push_back(e.text());
    }
  if (read.text("costs") != "measured")
    out.cluster.costs.flops_per_second = read.real("gflops", 1e-6, 1e9) * 1e9;
  out.measured = read.choice("costs", {"counted", "measured"}) == "measured";
  out.trace = read.text("trace");
  out.cluster.timing_only = read.flag("timing-only");
  if (out.cluster.timing_only && (read.flag("evaluate") || !read.text("save").empty()))
    read.add({.what = "without mathematics there is nothing to evaluate or save",
              .where = read.where("timing-only"),
              .why = "its weights mean nothing",
              .help = "leave --evaluate and --save out"});
  for (auto& text : wrong)
    read.add(std::move(text));
  if (!read.wrong().empty()) throw mistakes(read.wrong());
  return out;
}

} // namespace troupe::cli
