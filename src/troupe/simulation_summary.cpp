#include "troupe/simulation_summary.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

namespace troupe {

namespace {

double share_of(double part, double whole) {
  return whole > 0 ? part / whole : 0;
}

// The smallest value that so much of all values do not exceed.
double quantile(const std::vector<double>& sorted, double part) {
  const auto rank = static_cast<std::size_t>(std::ceil(part * static_cast<double>(sorted.size())));
  return sorted[std::clamp<std::size_t>(rank, 1, sorted.size()) - 1];
}

std::vector<simulation_summary::role_use> roles_of(const simulation_report& r) {
  std::map<role_kind, simulation_summary::role_use> found;
  for (const auto& a : r.actors) {
    auto& use = found[a.who.role];
    const double own = share_of(a.busy_seconds, r.seconds);
    use.role = a.who.role;
    ++use.actors;
    use.messages += a.messages;
    use.busy_seconds += a.busy_seconds;
    if (use.actors == 1 || own > use.most) use.busiest = a.who;
    use.most = std::max(use.most, own);
  }
  std::vector<simulation_summary::role_use> out;
  for (auto& [kind, use] : found) {
    use.mean = share_of(use.busy_seconds, r.seconds * use.actors);
    out.push_back(use);
  }
  return out;
}

simulation_summary::node_use nodes_of(const simulation_report& r) {
  simulation_summary::node_use out;
  double sum = 0;
  for (std::size_t i = 0; i < r.nodes.size(); ++i) {
    const auto& node = r.nodes[i];
    const double own = share_of(node.busy_seconds, r.seconds * node.cores);
    sum += own;
    if (i == 0 || own < out.least) out.least_node = node.node, out.least = own;
    if (i == 0 || own > out.most) out.most_node = node.node, out.most = own;
  }
  out.mean = share_of(sum, static_cast<double>(r.nodes.size()));
  return out;
}

simulation_summary::traffic traffic_of(const simulation_report& r) {
  simulation_summary::traffic out;
  for (std::size_t i = 0; i < r.links.size(); ++i) {
    out.messages += r.links[i].messages;
    out.bytes += r.links[i].bytes;
    if (r.links[i].bytes > r.links[out.busiest].bytes) out.busiest = i;
  }
  out.step_bytes = share_of(static_cast<double>(out.bytes), static_cast<double>(r.commits.size()));
  return out;
}

simulation_summary::recovery recovery_of(const simulation_report& r,
                                         const simulation_report::death& d) {
  simulation_summary::recovery out{.who = d.who, .died = d.seconds, .ready = -1, .committed = -1};
  if (d.ready_seconds <= 0) return out;
  out.ready = d.ready_seconds - d.seconds;
  const auto next = std::lower_bound(
      r.commits.begin(), r.commits.end(), d.ready_seconds, [](const auto& commit, double when) {
        return commit.seconds < when;
      });
  if (next != r.commits.end()) out.committed = next->seconds - d.seconds;
  return out;
}

double step_seconds_of(const simulation_report& r) {
  return std::accumulate(r.commits.begin(),
                         r.commits.end(),
                         0.0,
                         [](double sum, const auto& commit) { return sum + commit.step_seconds; });
}

// How long anybody was down, until the last commit.
double down_seconds_of(const simulation_report& r, double end) {
  double out = 0, until = 0;
  for (const auto& d : r.deaths) { // in the order of their deaths
    const double back = d.ready_seconds > 0 ? std::min(d.ready_seconds, end) : end;
    out += std::max(0.0, back - std::max(until, d.seconds));
    until = std::max(until, back);
  }
  return out;
}

double busy_seconds_of(const simulation_report& r) {
  return std::accumulate(r.actors.begin(), r.actors.end(), 0.0, [](double sum, const auto& actor) {
    return sum + actor.busy_seconds;
  });
}

} // namespace

value_spread spread_of(std::vector<double> values) {
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  return {.count = values.size(),
          .least = values.front(),
          .mean = std::accumulate(values.begin(), values.end(), 0.0) /
                  static_cast<double>(values.size()),
          .median = values[values.size() / 2],
          .p99 = quantile(values, 0.99),
          .most = values.back()};
}

simulation_summary summary_of(const simulation_report& r) {
  simulation_summary out{.roles = roles_of(r), .nodes = nodes_of(r), .network = traffic_of(r)};
  std::vector<double> steps, ready, committed;
  for (const auto& commit : r.commits)
    steps.push_back(commit.step_seconds);
  for (const auto& death : r.deaths) {
    const auto& one = out.recoveries.emplace_back(recovery_of(r, death));
    if (one.ready >= 0) ready.push_back(one.ready);
    if (one.committed >= 0) committed.push_back(one.committed);
  }
  out.step_seconds = spread_of(std::move(steps));
  out.ready_seconds = spread_of(std::move(ready));
  out.committed_seconds = spread_of(std::move(committed));
  return out;
}

goodput goodput_of(const simulation_report& disturbed, const simulation_report& calm) {
  if (disturbed.commits.empty() || calm.commits.empty()) return {};
  const double took = step_seconds_of(disturbed), least = step_seconds_of(calm);
  goodput out{.share = share_of(least, took), .seconds = took, .lost_seconds = took - least};
  out.down_seconds = std::clamp(down_seconds_of(disturbed, disturbed.commits.back().seconds),
                                0.0,
                                std::max(0.0, out.lost_seconds));
  out.replay_seconds = out.lost_seconds - out.down_seconds;
  out.again_seconds = busy_seconds_of(disturbed) - busy_seconds_of(calm);
  return out;
}

} // namespace troupe
