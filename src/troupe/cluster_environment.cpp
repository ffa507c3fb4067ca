#include "troupe/cluster_environment.hpp"

#include "ops/error.hpp"
#include "troupe/place_sources.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

namespace troupe {

namespace {

constexpr std::uint32_t nodes_max = 1U << 20;

// The first source that says it.
template <class Value>
Value first_said(const std::vector<place_claim>& claims, Value place_claim::*field) {
  for (const place_claim& c : claims)
    if (c.*field != Value{}) return c.*field;
  return Value{};
}

// The one that says which node this is.
const place_claim& main_claim(const std::vector<place_claim>& claims) {
  const auto says = [](const place_claim& c) { return c.number.has_value(); };
  const auto at = std::find_if(claims.begin(), claims.end(), says);
  return at == claims.end() ? claims.front() : *at;
}

std::string claim_text(const place_claim& c) {
  return fmt::format("{} says node {}{}",
                     c.source,
                     c.number ? fmt::to_string(*c.number) : "?",
                     c.count ? fmt::format(" of {}", *c.count) : "");
}

std::string all_values(const std::vector<place_claim>& claims) {
  std::string out;
  for (const place_claim& c : claims)
    out += (out.empty() ? "" : ", ") + c.values_text();
  return out;
}

// A task of an outer engine may start several nodes, block by block: 4 tasks with 2 each are nodes
// 0 and 1, 2 and 3, ... Otherwise two that say a place must say the same.
bool fits(std::uint32_t number, std::uint32_t count, const place_claim& outer) {
  const std::uint32_t tasks = outer.count.value_or(count);
  if (tasks == 0 || count % tasks != 0) return false;
  return number / (count / tasks) == outer.number.value_or(number / (count / tasks));
}

void check_agreement(const std::vector<place_claim>& claims,
                     const node_place& place,
                     std::vector<error_text>& wrong) {
  const place_claim& first = main_claim(claims);
  for (const place_claim& c : claims)
    if (!fits(place.number, place.count, c))
      wrong.push_back(
          {.what = "two places of this process cannot both be true",
           .where = all_values(claims),
           .why = &c == &first
                      ? fmt::format("{}, and the job has {} nodes", claim_text(c), place.count)
                      : fmt::format("{}, {}", claim_text(first), claim_text(c)),
           .help = "take away the variables that are left over from another job (unset NAME), or "
                   "say TROUPE_WORLD=1 for a job of this process alone"});
}

void check_count(const std::vector<place_claim>& claims,
                 const node_place& place,
                 std::vector<error_text>& wrong) {
  const auto number = first_said(claims, &place_claim::number);
  const auto count = first_said(claims, &place_claim::count);
  const place_claim& first = main_claim(claims);
  if (!number)
    wrong.push_back({.what = "nothing says which node this process is",
                     .where = first.values_text(),
                     .why = "it says something of a job of several nodes, but not TROUPE_RANK",
                     .help = "export TROUPE_RANK=0 (or 1, ...), or start it with troupe launch"});
  else if (!count)
    wrong.push_back({.what = "nothing says how many nodes there are",
                     .where = first.values_text(),
                     .why = fmt::format("{}, of an unknown number of nodes", claim_text(first)),
                     .help = first.without_count});
  else if (*count == 0 || *count > nodes_max || *number >= *count)
    wrong.push_back({.what = fmt::format("there is no node {} of {}", place.number, place.count),
                     .where = all_values(claims),
                     .why = fmt::format("nodes are counted from 0, and are 1 to {}", nodes_max),
                     .help = *count == 0 ? "TROUPE_WORLD=1 is a job of this process alone"
                                         : fmt::format("0 to {} are nodes of a job of {}",
                                                       std::min(*count, nodes_max) - 1,
                                                       std::min(*count, nodes_max))});
}

bool is_port(const std::string& text) {
  return !text.empty() && text.size() <= 5 &&
         text.find_first_not_of("0123456789") == std::string::npos && std::stoul(text) >= 1 &&
         std::stoul(text) <= 65535;
}

// "host:port" is short for tcp.
std::string endpoint_of(const std::string& said) {
  return said.empty() || said.find("://") != std::string::npos ? said : "tcp://" + said;
}

bool is_endpoint(const std::string& text) {
  if (text.rfind("ipc:///", 0) == 0) return text.size() > 7;
  const auto colon = text.rfind(':');
  return text.rfind("tcp://", 0) == 0 && colon > 6 && is_port(text.substr(colon + 1));
}

void check_coordinator(const std::vector<place_claim>& claims,
                       const node_place& place,
                       std::vector<error_text>& wrong) {
  if (place.coordinator.empty())
    wrong.push_back({.what = "nothing says where the nodes meet",
                     .where = all_values(claims),
                     .why = main_claim(claims).coordinator_trouble,
                     .help = main_claim(claims).without_coordinator});
  else if (!is_endpoint(place.coordinator))
    wrong.push_back({.what = fmt::format("'{}' is no place to meet", place.coordinator),
                     .where = "TROUPE_COORDINATOR",
                     .why = "node 0 listens there, and the others dial it",
                     .help = "tcp://HOST:PORT with a port of 1 to 65535, or ipc:///PATH"});
}

// A folder's key of a node is that of its number, so that all nodes may be told the same.
void add_own(const own_words& own, node_place& place, std::vector<error_text>& wrong) {
  place.keys = own.keys;
  if (!own.keys.empty() && own.keys.back() == '/')
    place.keys += fmt::format("node-{}.secret", place.number);
  place.trusted = own.trusted;
  place.share_tensors = own.share_tensors;
  if (own.keys.empty() && !own.trusted.empty())
    wrong.push_back({.what = "a list of trusted keys, but no key of this node",
                     .where = "TROUPE_TRUSTED=" + own.trusted,
                     .why = "both ends of a connection prove a key, or none does",
                     .help = "export TROUPE_KEYS=keys/NAME.secret (troupe keys --make NAME)"});
  if (own.trusted.empty() && !own.keys.empty()) {
    const auto slash = own.keys.rfind('/');
    place.trusted = (slash == std::string::npos ? "" : own.keys.substr(0, slash + 1)) + "trusted";
  }
}

std::string source_text(const std::vector<place_claim>& claims) {
  std::string out;
  for (const place_claim& c : claims)
    out += fmt::format("{}{} ({})", out.empty() ? "" : ", ", c.source, c.names_text());
  return out;
}

// What several mistakes say, in one.
[[noreturn]] void refuse(const std::vector<error_text>& wrong) {
  if (wrong.size() == 1) {
    error_text one = wrong.front();
    one.kind = error_kind::request;
    throw error(std::move(one));
  }
  error_text all{.what = fmt::format("{} variables of this process are wrong", wrong.size()),
                 .where = "",
                 .why = "",
                 .help = wrong.front().help,
                 .kind = error_kind::request};
  for (const error_text& one : wrong)
    all.why += fmt::format("{}{}{}{}{}",
                           all.why.empty() ? "" : "\n  ",
                           one.what,
                           one.where.empty() ? "" : " (" + one.where + ")",
                           one.why.empty() ? "" : ": ",
                           one.why);
  throw error(std::move(all));
}

node_place alone(const place_sources& found, const std::string& why) {
  node_place out;
  out.restarts = found.own.restarts;
  out.job = found.own.job;
  out.source = why;
  return out;
}

node_place joined(const place_sources& found, std::vector<error_text> wrong) {
  const auto& claims = found.claims;
  node_place out;
  out.number = first_said(claims, &place_claim::number).value_or(0);
  out.count = first_said(claims, &place_claim::count).value_or(1);
  out.local_number = first_said(claims, &place_claim::local_number).value_or(0);
  out.coordinator = endpoint_of(first_said(claims, &place_claim::coordinator));
  out.job = first_said(claims, &place_claim::job);
  if (out.job.empty()) out.job = "troupe";
  out.restarts = found.own.restarts;
  for (const place_claim& c : claims)
    if (out.restarts == 0) out.restarts = c.restarts;
  out.source = source_text(claims);
  out.spare = found.own.spare;
  add_own(found.own, out, wrong);
  if (wrong.empty()) check_count(claims, out, wrong);
  if (wrong.empty()) check_agreement(claims, out, wrong);
  if (out.count > 1 && wrong.empty()) check_coordinator(claims, out, wrong);
  if (!wrong.empty()) refuse(wrong);
  if (out.count == 1) out.coordinator.clear();
  return out;
}

} // namespace

environment_variables variables_of_process() {
  environment_variables out;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const auto equals = text.find('=');
    if (equals != std::string::npos) out.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return out;
}

node_place place_in(const environment_variables& v) {
  const place_sources found = read_place_sources(v);
  if (found.own.alone) return alone(found, "this process alone (TROUPE_WORLD=1)");
  if (found.claims.empty() && found.wrong.empty())
    return alone(found,
                 found.shell.empty() ? "this process alone"
                                     : fmt::format("this process alone ({})", found.shell));
  return joined(found, found.wrong);
}

std::string explain_place(const environment_variables& v) {
  const place_sources found = read_place_sources(v);
  std::string out;
  for (const auto& [name, said] : found.asked)
    out += fmt::format("{:<12}{}\n", name, said);
  try {
    const node_place place = place_in(v);
    out += fmt::format("{:<12}node {} of {}", "so it is", place.number, place.count);
    if (!place.coordinator.empty()) out += ", met at " + place.coordinator;
    if (!place.job.empty()) out += ", job " + place.job;
    out += fmt::format(": {}\n", place.source);
  } catch (const error& e) {
    out += fmt::format("error: {}\n", e.what());
  }
  return out;
}

} // namespace troupe
