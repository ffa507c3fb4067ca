#include "actors/runtime/simulation/membership.hpp"
#include "troupe/fault_checks.hpp"
#include "troupe/node_memory.hpp"
#include "troupe/simulated_cluster.hpp"
#include "troupe/start_run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <utility>

namespace troupe {

namespace {

constexpr double chance_max = 0.9;
constexpr int cores_max = 4096;

double milliseconds(std::chrono::nanoseconds t) {
  return std::chrono::duration<double, std::milli>(t).count();
}

class checking {
public:
  checking(const simulated_cluster& c, const wiring& w)
      : cluster_(c), wiring_(w), nodes_(c.nodes > 0 ? c.nodes : w.nodes()) {}

  std::vector<error_text> mistakes() {
    if (cluster_.nodes < 0 || cluster_.nodes > wiring_.nodes())
      add("nodes",
          fmt::format("{} cannot be spread over {} nodes", wiring_.name, cluster_.nodes),
          fmt::format("it has {} nodes; several of them may share one", wiring_.nodes()),
          fmt::format("at most {} nodes, or more replicas or stages", wiring_.nodes()));
    if (wiring_.uses_devices())
      add("wiring",
          fmt::format("{} computes on devices", wiring_.name),
          "a simulation knows the speed of CPUs alone",
          "leave the devices out, and say how fast a node is: --gflops");
    check("node", cluster_.model.node);
    for (const auto& [number, node] : cluster_.model.nodes) {
      check_node("node", number);
      check(fmt::format("node {}", number), node);
    }
    check("link", cluster_.model.link);
    for (const auto& [ends, link] : cluster_.model.links) {
      check_node("link", ends.first);
      check_node("link", ends.second);
      check(fmt::format("link {} -> {}", ends.first, ends.second), link);
    }
    check(cluster_.model.racks);
    check_faults();
    if (cluster_.failures)
      for (auto& mistake : mistakes_of(*cluster_.failures, wiring_))
        out_.push_back(std::move(mistake));
    if (out_.empty()) check_memory();
    return std::move(out_);
  }

private:
  void add(const std::string& where, std::string what, std::string why, std::string help = {}) {
    out_.push_back(
        {.what = std::move(what), .where = where, .why = std::move(why), .help = std::move(help)});
  }

  bool check_node(const std::string& where, int number) {
    if (number >= 0 && number < nodes_) return true;
    add(where,
        fmt::format("there is no node {}", number),
        fmt::format("nodes are 0 to {}", nodes_ - 1));
    return false;
  }

  void check_slowness(const std::string& where, double factor) {
    if (factor > 0 && factor <= slow_actor::factor_max) return;
    add(where,
        fmt::format("a node cannot take {} times as long", factor),
        fmt::format("the factor is above 0 and at most {}", slow_actor::factor_max));
  }

  void check(const std::string& where, const node_model& n) {
    if (n.cores < 1 || n.cores > cores_max)
      add(where, fmt::format("a node cannot have {} cores", n.cores), "1 to 4096 are possible");
    check_slowness(where, n.slowness);
    if (!(n.bytes_per_second >= 0) || n.memory_bytes < 0)
      add(where, "a node's port and memory are not less than nothing", "0: as the links, no limit");
  }

  void check(const std::string& where, const link_model& l) {
    if (l.latency.count() < 0 || l.jitter.count() < 0 || l.resend_after.count() <= 0)
      add(where, "a link takes time", "latency and jitter are at least 0, the time-out is more");
    check_bandwidth(where, l.bytes_per_second);
    for (const double chance : {l.loss, l.duplicates})
      if (!(chance >= 0 && chance <= chance_max))
        add(where,
            fmt::format("a share of {} of messages is out of range", chance),
            fmt::format("0 to {} can be lost, and be doubled", chance_max));
  }

  void check_bandwidth(const std::string& where, double bytes_per_second) {
    if (!(bytes_per_second > 0))
      add(where,
          fmt::format("a link cannot carry {} bytes a second", bytes_per_second),
          "it carries more than nothing; cut it to stop it");
  }

  void check(const rack_model& r) {
    if (r.nodes < 0) add("racks", fmt::format("a rack cannot have {} nodes", r.nodes), "1 or more");
    if (r.latency.count() < 0) add("racks", "an uplink takes time", "its latency is at least 0");
    check_bandwidth("racks", r.bytes_per_second);
  }

  void check_faults() {
    auto faults = cluster_.model.faults;
    std::stable_sort(
        faults.begin(), faults.end(), [](const auto& a, const auto& b) { return a.when < b.when; });
    absent_ = simulation::absent_at_first(faults);
    if (std::ssize(absent_) >= nodes_)
      add("events", "no node is there at first", "every node joins late", "let one be there");
    for (const auto& f : faults) {
      when_ = f.when;
      where_ = f.where;
      if (f.when.count() < 0)
        add(f.where, "an event before the beginning", "times are since the start, 0 or more");
      std::visit([&](const auto& what) { check(what); }, f.what);
    }
  }

  // Where the fault that is checked was asked for.
  [[nodiscard]] std::string where(const std::string& verb) const {
    const auto said = fmt::format("{:.10g} ms {}", milliseconds(when_), verb);
    return where_.empty()                           ? said
           : where_.find(verb) != std::string::npos ? where_
                                                    : where_ + ": " + said;
  }

  void check(const kill_fault& f) {
    try {
      check_mortal(wiring_, f.who, where("kill " + f.who.text()));
    } catch (const error& e) {
      out_.push_back(e.text());
    }
  }

  bool check_present(const std::string& verb, int node) {
    if (!check_node(where(verb), node)) return false;
    if (!absent_.contains(node)) return true;
    add(where(fmt::format("{} {}", verb, node)),
        fmt::format("node {} is not there at that time", node),
        "it has left, or joins later");
    return false;
  }

  void check(const kill_node_fault& f) {
    if (check_present("kill node", f.node)) check_may_die("be killed", "kill node", f.node);
  }

  void check(const leave_fault& f) {
    if (!check_present("leave", f.node) || !check_may_die("leave", "leave", f.node)) return;
    if (std::ssize(absent_) + 1 == nodes_)
      add(where(fmt::format("leave {}", f.node)),
          "no node would be left",
          "the actors of nodes that leave move to others");
    absent_.insert(f.node);
  }

  void check(const join_fault& f) {
    if (!check_node(where("join"), f.node)) return;
    if (absent_.erase(f.node) == 0)
      add(where(fmt::format("join {}", f.node)),
          fmt::format("node {} is there already", f.node),
          "a node joins once, or after it has left");
    else
      check_may_die("join late", "join", f.node);
  }

  void check(const pause_fault& f) { check_present("pause", f.node); }

  void check(const resume_fault& f) { check_present("resume", f.node); }

  void check(const slow_fault& f) {
    check_present("slow", f.node);
    check_slowness(where("slow"), f.factor);
  }

  void check(const cut_fault& f) { check_ends("cut", f.from, f.to); }

  void check(const heal_fault& f) { check_ends("heal", f.from, f.to); }

  void check(const kill_any_fault&) {
    add(where("kill any"),
        "who dies at a time is named",
        "kills of somebody who is drawn come at a rate",
        "--failures \"1 per 500 ms\"");
  }

  void check(const slow_actor_fault& f) {
    try {
      check_slow(wiring_, {f.who, f.factor}, where("slow " + f.who.text()));
    } catch (const error& e) {
      out_.push_back(e.text());
    }
  }

  void check(const drop_fault& f) { check_ends("drop", f.from, f.to); }

  void check(const corrupt_fault& f) { check_ends("corrupt", f.from, f.to); }

  void check(const fill_disk_fault& f) { check_present("fill-disk", f.node); }

  void check(const empty_disk_fault& f) { check_present("empty-disk", f.node); }

  void check(const isolate_fault& f) { check_whole("cut", f.what, f.number); }

  void check(const reconnect_fault& f) { check_whole("heal", f.what, f.number); }

  void check_ends(const std::string& verb, int from, int to) {
    check_node(where(verb), from);
    check_node(where(verb), to);
    if (from == to) add(where(verb), "a node has no link to itself", "what is within it arrives");
  }

  void check_whole(const std::string& verb, whole what, int number) {
    if (what == whole::node) {
      check_node(where(verb), number);
      return;
    }
    const int racks = cluster_.model.racks.nodes;
    const int count = racks > 0 ? (nodes_ + racks - 1) / racks : 0;
    if (number >= 0 && number < count) return;
    add(where(verb + " rack"),
        fmt::format("there is no rack {}", number),
        count == 0 ? "the cluster has no racks" : fmt::format("racks are 0 to {}", count - 1),
        count == 0 ? "--racks \"4 nodes, 100 Gbit/s\"" : "");
  }

  // By node: who cannot be killed.
  const std::map<int, std::vector<address>>& immortals() {
    if (!immortals_.empty() || !wiring_.order.as_they_come()) return immortals_;
    const auto alone = lonely_state_of(wiring_, nodes_);
    for (const auto& role : wiring_.roles)
      if (!is_mortal(wiring_, role.where) || alone.contains(role.where))
        immortals_[role.node % nodes_].push_back(role.where);
    return immortals_;
  }

  bool check_may_die(const std::string& does, const std::string& verb, int node) {
    const auto found = immortals().find(node);
    if (found == immortals().end()) return true;
    std::string who, others;
    for (const auto& a : found->second)
      who += (who.empty() ? "" : ", ") + a.text();
    int free = 0;
    constexpr int told_max = 8;
    for (int n = 0; n < nodes_; ++n)
      if (!immortals().contains(n) && ++free <= told_max)
        others += (others.empty() ? "" : ", ") + std::to_string(n);
    add(where(fmt::format("{} {}", verb, node)),
        fmt::format("node {} cannot {}", node, does),
        fmt::format("state that nobody else has is on it: {}", who),
        free == 0 ? "every node has such state: give it copies, --holder-copies 2, or fewer "
                    "parameter holders, e.g. --holders 1"
                  : fmt::format("nodes that can: {}{}", others, free > told_max ? ", ..." : ""));
    return false;
  }

  void check_memory() {
    const auto& model = cluster_.model;
    const bool limited = model.node.memory_bytes > 0 ||
                         std::any_of(model.nodes.begin(), model.nodes.end(), [](const auto& n) {
                           return n.second.memory_bytes > 0;
                         });
    if (!limited) return;
    for (auto& text : too_large(cluster_, memory_of_nodes(cluster_, wiring_)))
      out_.push_back(std::move(text));
  }

  const simulated_cluster& cluster_;
  const wiring& wiring_;
  const int nodes_;
  std::set<int> absent_; // when the fault that is checked happens
  std::chrono::nanoseconds when_{0};
  std::string where_;
  std::map<int, std::vector<address>> immortals_;
  std::vector<error_text> out_;
};

} // namespace

std::vector<error_text> mistakes_of(const simulated_cluster& c, const wiring& w) {
  return checking(c, w).mistakes();
}

} // namespace troupe
