#include "cli/simulation_table.hpp"

#include "cli/progress.hpp"
#include "ops/digest.hpp"
#include "ops/files/count_text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <map>

namespace troupe::cli {

namespace {

constexpr std::size_t links_told_max = 8;

struct role_use {
  int actors = 0;
  std::uint64_t messages = 0;
  double busy = 0, busiest = 0; // seconds
};

std::map<role_kind, role_use> by_role(const simulation_report& report) {
  std::map<role_kind, role_use> out;
  for (const auto& a : report.actors) {
    auto& use = out[a.who.role];
    ++use.actors;
    use.messages += a.messages;
    use.busy += a.busy_seconds;
    use.busiest = std::max(use.busiest, a.busy_seconds);
  }
  return out;
}

std::string time_text(double seconds) {
  if (seconds < 1e-3) return fmt::format("{:.1f} us", seconds * 1e6);
  if (seconds < 1) return fmt::format("{:.3f} ms", seconds * 1e3);
  return fmt::format("{:.3f} s", seconds);
}

std::string share(double part, double whole) {
  return whole > 0 ? fmt::format("{:.1f} %", 100 * part / whole) : "";
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

std::string roles_table(const simulation_report& report) {
  std::string out = fmt::format(
      "\n  {:<22}{:>7}{:>12}{:>10}{:>10}\n", "role", "actors", "messages", "busy", "most");
  for (const auto& [kind, use] : by_role(report))
    out += fmt::format("  {:<22}{:>7}{:>12}{:>10}{:>10}\n",
                       role_text(kind),
                       use.actors,
                       count_text(static_cast<std::int64_t>(use.messages)),
                       share(use.busy, report.seconds * use.actors),
                       share(use.busiest, report.seconds));
  return out;
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

} // namespace

void step_times::add(double seconds) {
  all_.push_back(seconds - last_);
  last_ = seconds;
}

double step_times::median() const {
  if (all_.empty()) return 0;
  auto sorted = all_;
  const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2);
  std::nth_element(sorted.begin(), middle, sorted.end());
  return *middle;
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
  return out + fmt::format("; {} events; seed {}{}",
                           c.model.faults.size(),
                           c.model.seed,
                           c.model.order == exploration::anything ? ", any order" : "");
}

std::string simulation_table(const run_result& r, const step_times& steps, bool computed) {
  const auto& report = *r.simulation;
  std::string out;
  const auto row = [&](const char* name, const std::string& value) {
    out += fmt::format("{:<18}{}\n", name, value);
  };
  row("steps", count_text(r.steps));
  row("virtual step time", time_text(steps.median()) + ", the middle one");
  row("images/s", count_of(r.images_per_second) + ", virtual");
  row("virtual time", time_text(report.seconds));
  out += roles_table(report) + links_table(report) + "\n";
  if (r.tested) row("test accuracy", fmt::format("{:.2f} %", r.test_accuracy * 100));
  row("restarts", count_text(r.restarts));
  row("messages heard", count_text(static_cast<std::int64_t>(report.events)));
  row("trace hash", digest_text(report.trace_hash));
  row("parameter digest", computed ? digest_text(r.parameter_digest) : "none: no mathematics");
  return out;
}

std::string simulation_json(const run_result& r, const step_times& steps, bool computed) {
  using nlohmann::json;
  const auto& report = *r.simulation;
  json roles = json::object(), links = json::array();
  for (const auto& [kind, use] : by_role(report))
    roles[role_text(kind)] = {{"actors", use.actors},
                              {"messages", use.messages},
                              {"busy_seconds", use.busy},
                              {"busiest_seconds", use.busiest}};
  for (const auto& l : report.links)
    links.push_back({{"from", l.from},
                     {"to", l.to},
                     {"messages", l.messages},
                     {"bytes", l.bytes},
                     {"resent", l.resent},
                     {"duplicated", l.duplicated}});
  json out = {{"event", "simulated"},
              {"steps", r.steps},
              {"step_seconds", steps.median()},
              {"images_per_second", r.images_per_second},
              {"seconds", report.seconds},
              {"messages", report.events},
              {"restarts", r.restarts},
              {"roles", roles},
              {"links", links},
              {"trace_hash", digest_text(report.trace_hash)},
              {"parameter_digest", digest_text(r.parameter_digest)}};
  if (!computed) out["parameter_digest"] = nullptr;
  return out.dump();
}

} // namespace troupe::cli
