#include "cli/simulation_json.hpp"

#include "cli/simulation_table.hpp"
#include "ops/digest.hpp"

#include <nlohmann/json.hpp>

namespace troupe::cli {

namespace {

using nlohmann::json;

json of(const value_spread& s) {
  return {{"count", s.count},
          {"least", s.least},
          {"mean", s.mean},
          {"median", s.median},
          {"p99", s.p99},
          {"most", s.most}};
}

json roles_of(const simulation_summary& s) {
  json out = json::object();
  for (const auto& use : s.roles)
    out[role_text(use.role)] = {{"actors", use.actors},
                                {"messages", use.messages},
                                {"busy_seconds", use.busy_seconds},
                                {"utilisation", use.mean},
                                {"utilisation_most", use.most},
                                {"busiest", use.busiest.text()}};
  return out;
}

json nodes_of(const simulation_summary::node_use& n) {
  return {{"utilisation", n.mean},
          {"utilisation_least", n.least},
          {"utilisation_most", n.most},
          {"least", n.least_node},
          {"most", n.most_node}};
}

json staleness_of(const staleness_count& s) {
  if (s.empty()) return nullptr;
  return {{"updates", s.updates},
          {"count", s.count},
          {"mean", s.mean()},
          {"most", s.most},
          {"lead", s.lead}};
}

json goodput_of(const std::optional<goodput>& g) {
  if (!g) return nullptr;
  return {{"share", g->share},
          {"seconds", g->seconds},
          {"lost_seconds", g->lost_seconds},
          {"down_seconds", g->down_seconds},
          {"replay_seconds", g->replay_seconds},
          {"again_core_seconds", g->again_seconds}};
}

json after(double seconds) {
  return seconds < 0 ? json(nullptr) : json(seconds);
}

json deaths_of(const simulation_figures& f) {
  json out = json::array();
  const auto& deaths = f.result.simulation->deaths;
  for (std::size_t i = 0; i < deaths.size(); ++i) {
    const auto& recovery = f.summary.recoveries[i];
    out.push_back({{"who", deaths[i].who.text()},
                   {"node", deaths[i].node},
                   {"seconds", deaths[i].seconds},
                   {"ready_after", after(recovery.ready)},
                   {"next_step_after", after(recovery.committed)},
                   {"event", deaths[i].killed ? json(event_text(deaths[i])) : json(nullptr)}});
  }
  return out;
}

json actors_of(const simulation_report& r) {
  json out = json::array();
  for (const auto& a : r.actors)
    out.push_back({{"who", a.who.text()},
                   {"node", a.node},
                   {"messages", a.messages},
                   {"busy_seconds", a.busy_seconds}});
  return out;
}

json node_list_of(const simulation_report& r) {
  json out = json::array();
  for (const auto& n : r.nodes)
    out.push_back({{"node", n.node}, {"cores", n.cores}, {"busy_seconds", n.busy_seconds}});
  return out;
}

json links_of(const simulation_report& r) {
  json out = json::array();
  for (const auto& l : r.links)
    out.push_back({{"from", l.from},
                   {"to", l.to},
                   {"messages", l.messages},
                   {"bytes", l.bytes},
                   {"resent", l.resent},
                   {"duplicated", l.duplicated}});
  return out;
}

json commits_of(const simulation_report& r) {
  json out = json::array();
  for (const auto& c : r.commits)
    out.push_back({{"seconds", c.seconds}, {"step_seconds", c.step_seconds}});
  return out;
}

} // namespace

json summary_json(const simulation_figures& f) {
  const auto& r = f.result;
  const auto& report = *r.simulation;
  json out = {{"event", "simulated"},
              {"steps", r.steps},
              {"step_seconds", f.summary.step_seconds.median},
              {"step_times", of(f.summary.step_seconds)},
              {"images_per_second", r.images_per_second},
              {"seconds", report.seconds},
              {"messages", report.events},
              {"restarts", r.restarts},
              {"roles", roles_of(f.summary)},
              {"cores", nodes_of(f.summary.nodes)},
              {"traffic",
               {{"messages", f.summary.network.messages},
                {"bytes", f.summary.network.bytes},
                {"step_bytes", f.summary.network.step_bytes}}},
              {"staleness", staleness_of(r.staleness)},
              {"ready_seconds", of(f.summary.ready_seconds)},
              {"next_step_seconds", of(f.summary.committed_seconds)},
              {"goodput", goodput_of(f.kept)},
              {"trace_hash", digest_text(report.trace_hash)},
              {"parameter_digest", digest_text(r.parameter_digest)}};
  if (!f.computed) out["parameter_digest"] = nullptr;
  return out;
}

json simulation_json(const simulation_figures& f) {
  json out = summary_json(f);
  const auto& report = *f.result.simulation;
  out["actors"] = actors_of(report);
  out["nodes"] = node_list_of(report);
  out["links"] = links_of(report);
  out["commits"] = commits_of(report);
  out["deaths"] = deaths_of(f);
  return out;
}

} // namespace troupe::cli
