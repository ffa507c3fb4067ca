#include "cli/simulation_table.hpp"

#include "cli/failures.hpp"
#include "cli/progress.hpp"
#include "ops/digest.hpp"
#include "ops/files/count_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace troupe::cli {

namespace {

constexpr std::size_t links_told_max = 8, deaths_told_max = 12, staleness_rows_max = 16;
constexpr int bar_columns = 40;

std::string percent(double share) {
  return fmt::format("{:.1f} %", 100 * share);
}

std::string link_text(const link_model& l) {
  std::string out = time_text(std::chrono::duration<double>(l.latency).count());
  out += std::isfinite(l.bytes_per_second)
             ? fmt::format(", {:.3g} Gbit/s", l.bytes_per_second * 8e-9)
             : ", any bandwidth";
  if (l.loss > 0) out += fmt::format(", {:.2g} % lost", 100 * l.loss);
  if (l.duplicates > 0) out += fmt::format(", {:.2g} % twice", 100 * l.duplicates);
  return out;
}

std::string roles_table(const simulation_summary& s) {
  std::string out = fmt::format(
      "\n  {:<22}{:>7}{:>12}{:>10}{:>10}\n", "role", "actors", "messages", "busy", "most");
  for (const auto& use : s.roles)
    out += fmt::format("  {:<22}{:>7}{:>12}{:>10}{:>10}\n",
                       role_text(use.role),
                       use.actors,
                       count_text(static_cast<std::int64_t>(use.messages)),
                       percent(use.mean),
                       percent(use.most));
  const auto& n = s.nodes;
  return out +
         fmt::format("\n  cores of nodes are busy {} on average; most node {}, {}; least node "
                     "{}, {}\n",
                     percent(n.mean),
                     n.most_node,
                     percent(n.most),
                     n.least_node,
                     percent(n.least));
}

std::string links_table(const simulation_report& report) {
  if (report.links.empty()) return "";
  auto links = report.links;
  std::stable_sort(
      links.begin(), links.end(), [](const auto& a, const auto& b) { return a.bytes > b.bytes; });
  std::string out = fmt::format("\n  {:<22}{:>12}{:>12}{:>14}{:>10}{:>8}\n",
                                "link",
                                "messages",
                                "bytes",
                                "on average",
                                "resent",
                                "twice");
  const auto row = [&](const std::string& name, const simulation_report::link_use& l) {
    out += fmt::format(
        "  {:<22}{:>12}{:>12}{:>14}{:>10}{:>8}\n",
        name,
        count_text(static_cast<std::int64_t>(l.messages)),
        bytes_text(l.bytes),
        fmt::format("{:.1f} Mbit/s", static_cast<double>(l.bytes) * 8e-6 / report.seconds),
        l.resent,
        l.duplicated);
  };
  simulation_report::link_use rest;
  for (std::size_t i = 0; i < links.size(); ++i) {
    if (i < links_told_max) {
      row(fmt::format("{} -> {}", links[i].from, links[i].to), links[i]);
      continue;
    }
    rest.messages += links[i].messages;
    rest.bytes += links[i].bytes;
    rest.resent += links[i].resent;
    rest.duplicated += links[i].duplicated;
  }
  if (links.size() > links_told_max)
    row(fmt::format("{} others together", links.size() - links_told_max), rest);
  return out;
}

std::string staleness_table(const staleness_count& s) {
  if (s.empty()) return "";
  std::string out = fmt::format("\n  {:<12}{:>9}\n", "staleness", "updates");
  const auto rows = staleness_rows(s);
  std::int64_t most = 1;
  for (const auto& row : rows)
    most = std::max(most, row.updates);
  for (const auto& row : rows) {
    const double part = static_cast<double>(row.updates) / static_cast<double>(most);
    const auto bar = static_cast<std::size_t>(std::ceil(part * bar_columns));
    out += fmt::format(
        "  {:<12}{:>9}  {}\n", row.name, count_text(row.updates), std::string(bar, '#'));
  }
  return out;
}

std::string after_text(double seconds) {
  return seconds < 0 ? "never" : time_text(seconds);
}

std::string deaths_table(const simulation_report& report, const simulation_summary& s) {
  if (report.deaths.empty()) return "";
  std::string out =
      fmt::format("\n  {:<46}{:>14}{:>18}\n", "death", "ready after", "next step after");
  for (std::size_t i = 0; i < report.deaths.size() && i < deaths_told_max; ++i)
    out += fmt::format("  {:<46}{:>14}{:>18}\n",
                       event_text(report.deaths[i]),
                       after_text(s.recoveries[i].ready),
                       after_text(s.recoveries[i].committed));
  if (report.deaths.size() > deaths_told_max)
    out += fmt::format("  {} others: --json lists them\n", report.deaths.size() - deaths_told_max);
  return out;
}

std::string spread_text(const value_spread& s) {
  return fmt::format("{} ({} to {})", time_text(s.median), time_text(s.least), time_text(s.most));
}

std::string goodput_text(const goodput& g) {
  const auto part = [&](double seconds) {
    return percent(g.seconds > 0 ? seconds / g.seconds : 0);
  };
  return fmt::format("{} of the undisturbed rate; {} lost while somebody was down, {} to work done "
                     "again and waiting",
                     percent(g.share),
                     part(g.down_seconds),
                     part(g.replay_seconds));
}

} // namespace

std::vector<staleness_row> staleness_rows(const staleness_count& s) {
  const std::size_t width = (s.updates.size() + staleness_rows_max - 1) / staleness_rows_max;
  std::vector<staleness_row> out;
  for (std::size_t first = 0; first < s.updates.size(); first += width) {
    const auto end = std::min(first + width, s.updates.size());
    auto& row = out.emplace_back(staleness_row{.name = std::to_string(first)});
    for (std::size_t i = first; i < end; ++i)
      row.updates += s.updates[i];
    if (end == staleness_count::updates_max)
      row.name += " or more";
    else if (end > first + 1)
      row.name += fmt::format(" to {}", end - 1);
  }
  return out;
}

std::string time_text(double seconds) {
  if (seconds < 1e-3) return fmt::format("{:.1f} us", seconds * 1e6);
  if (seconds < 1) return fmt::format("{:.3f} ms", seconds * 1e3);
  return fmt::format("{:.3f} s", seconds);
}

std::string event_text(const simulation_report::death& d) {
  return fmt::format("{:.6f} ms kill {}", d.seconds * 1e3, d.who.text());
}

std::string model_text(const simulated_cluster& c, const wiring& w) {
  std::string out = fmt::format("  simulated on {} nodes with {} cores",
                                c.nodes > 0 ? c.nodes : w.nodes(),
                                c.model.node.cores);
  if (c.model.node.slowness != 1) out += fmt::format(", {}x slower", c.model.node.slowness);
  if (!c.model.nodes.empty()) out += fmt::format(" ({} differ)", c.model.nodes.size());
  out += "; links " + link_text(c.model.link);
  if (!c.model.links.empty()) out += fmt::format(" ({} differ)", c.model.links.size());
  if (c.model.racks.nodes > 0) out += fmt::format("; racks of {}", c.model.racks.nodes);
  return out + fmt::format("; {} events{}; seed {}{}",
                           c.model.faults.size(),
                           c.failures ? ", failures " + failures_text(*c.failures) : "",
                           c.model.seed,
                           c.model.order == exploration::anything ? ", any order" : "");
}

std::string simulation_table(const simulation_figures& f) {
  const auto& r = f.result;
  const auto& report = *r.simulation;
  const auto& s = f.summary;
  std::string out;
  const auto row = [&](const char* name, const std::string& value) {
    out += fmt::format("{:<18}{}\n", name, value);
  };
  row("steps", count_text(r.steps));
  row("virtual step time",
      fmt::format("{}, the middle one; p99 {}",
                  time_text(s.step_seconds.median),
                  time_text(s.step_seconds.p99)));
  row("images/s", count_of(r.images_per_second) + ", virtual");
  row("virtual time", time_text(report.seconds));
  out += roles_table(s) + links_table(report) + staleness_table(r.staleness) +
         deaths_table(report, s) + "\n";
  if (r.tested) row("test accuracy", fmt::format("{:.2f} %", r.test_accuracy * 100));
  row("traffic",
      fmt::format("{} a step between nodes",
                  bytes_text(static_cast<std::uint64_t>(s.network.step_bytes))));
  row("restarts", count_text(r.restarts));
  if (s.ready_seconds.count > 0)
    row("ready again", spread_text(s.ready_seconds) + " after a death");
  if (s.committed_seconds.count > 0)
    row("next step", spread_text(s.committed_seconds) + " after a death");
  if (f.kept) row("goodput", goodput_text(*f.kept));
  row("messages heard", count_text(static_cast<std::int64_t>(report.events)));
  row("trace hash", digest_text(report.trace_hash));
  row("parameter digest", f.computed ? digest_text(r.parameter_digest) : "none: no mathematics");
  return out;
}

} // namespace troupe::cli
