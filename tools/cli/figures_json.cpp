#include "cli/figures_json.hpp"

#include <nlohmann/json.hpp>

namespace troupe::cli {

using json = nlohmann::ordered_json;

namespace {

double seconds_of(std::chrono::nanoseconds t) { // to the millisecond
  return static_cast<double>(std::chrono::duration_cast<std::chrono::milliseconds>(t).count()) /
         1e3;
}

std::chrono::nanoseconds time_of(const json& seconds) {
  return std::chrono::nanoseconds(static_cast<std::int64_t>(seconds.get<double>() * 1e9));
}

node_figures node_of(const json& n) {
  return {.node = n.at("node"),
          .is_up = n.at("up"),
          .lost = n.at("lost"),
          .actors = n.at("actors"),
          .process = n.at("process"),
          .since = time_of(n.at("since"))};
}

link_figures link_of(const json& l) {
  return {.from = l.at("from"),
          .to = l.at("to"),
          .stands = l.at("stands"),
          .bytes = l.at("bytes"),
          .messages = l.at("messages"),
          .resent = l.at("resent"),
          .reconnections = l.at("reconnections"),
          .waiting_bytes = l.at("waiting_bytes"),
          .in_flight_bytes = l.at("in_flight_bytes"),
          .credit_bytes = l.at("credit_bytes"),
          .round_trip_ns = static_cast<std::uint64_t>(l.at("round_trip_ms").get<double>() * 1e6)};
}

} // namespace

json json_of(const node_figures& n) {
  return {{"node", n.node},
          {"up", n.is_up},
          {"since", seconds_of(n.since)},
          {"lost", n.lost},
          {"actors", n.actors},
          {"process", n.process}};
}

json json_of(const link_figures& l) {
  return {{"from", l.from},
          {"to", l.to},
          {"stands", l.stands},
          {"bytes", l.bytes},
          {"messages", l.messages},
          {"resent", l.resent},
          {"reconnections", l.reconnections},
          {"waiting_bytes", l.waiting_bytes},
          {"in_flight_bytes", l.in_flight_bytes},
          {"credit_bytes", l.credit_bytes},
          {"round_trip_ms", static_cast<double>(l.round_trip_ns) / 1e6}};
}

json figures_json(const cluster_figures& all) {
  json nodes = json::array(), links = json::array();
  for (const auto& n : all.nodes)
    nodes.push_back(json_of(n));
  for (const auto& l : all.links)
    links.push_back(json_of(l));
  return {{"seconds", seconds_of(all.at)}, {"nodes", nodes}, {"links", links}};
}

cluster_figures figures_of(const json& all) {
  cluster_figures out{.at = time_of(all.at("seconds"))};
  for (const json& n : all.at("nodes"))
    out.nodes.push_back(node_of(n));
  for (const json& l : all.at("links"))
    out.links.push_back(link_of(l));
  return out;
}

} // namespace troupe::cli
