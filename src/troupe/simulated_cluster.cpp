#include "troupe/simulated_cluster.hpp"

#include "actors/runtime/simulated_world.hpp"
#include "troupe/stand_in_program.hpp"
#include "troupe/start_run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>

namespace troupe {

namespace {

constexpr double chance_max = 0.9;
constexpr int cores_max = 4096;

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
    for (const auto& f : cluster_.model.faults)
      std::visit([&](const auto& what) { check(what); }, f.what);
    return std::move(out_);
  }

private:
  void add(const std::string& where, std::string what, std::string why, std::string help = {}) {
    out_.push_back(
        {.what = std::move(what), .where = where, .why = std::move(why), .help = std::move(help)});
  }

  void check_node(const std::string& where, int number) {
    if (number >= 0 && number < nodes_) return;
    add(where,
        fmt::format("there is no node {}", number),
        fmt::format("nodes are 0 to {}", nodes_ - 1));
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
  }

  void check(const std::string& where, const link_model& l) {
    if (l.latency.count() < 0 || l.jitter.count() < 0 || l.resend_after.count() <= 0)
      add(where, "a link takes time", "latency and jitter are at least 0, the time-out is more");
    if (!(l.bytes_per_second > 0))
      add(where,
          fmt::format("a link cannot carry {} bytes a second", l.bytes_per_second),
          "it carries more than nothing; cut it to stop it");
    for (const double chance : {l.loss, l.duplicates})
      if (!(chance >= 0 && chance <= chance_max))
        add(where,
            fmt::format("a share of {} of messages is out of range", chance),
            fmt::format("0 to {} can be lost, and be doubled", chance_max));
  }

  void check(const kill_fault& f) {
    try {
      check_mortal(wiring_, f.who, "kill " + f.who.text());
    } catch (const error& e) {
      out_.push_back(e.text());
    }
  }

  void check(const pause_fault& f) { check_node("pause", f.node); }

  void check(const resume_fault& f) { check_node("resume", f.node); }

  void check(const slow_fault& f) {
    check_node("slow", f.node);
    check_slowness("slow", f.factor);
  }

  void check(const cut_fault& f) { check_ends("cut", f.from, f.to); }

  void check(const heal_fault& f) { check_ends("heal", f.from, f.to); }

  void check_ends(const std::string& where, int from, int to) {
    check_node(where, from);
    check_node(where, to);
    if (from == to) add(where, "a node has no link to itself", "what is within it arrives");
  }

  const simulated_cluster& cluster_;
  const wiring& wiring_;
  const int nodes_;
  std::vector<error_text> out_;
};

} // namespace

std::vector<error_text> mistakes_of(const simulated_cluster& c, const wiring& w) {
  return checking(c, w).mistakes();
}

run simulated_cluster::start(const wiring& w, run_options options) const {
  if (const auto mistakes = mistakes_of(w); !mistakes.empty()) throw joined(mistakes);
  if (const auto mistakes = mistakes_of(*this, w); !mistakes.empty()) throw joined(mistakes);
  if (timing_only) options.evaluate = false;
  auto node_of = std::make_shared<std::map<address, int>>();
  for (const auto& role : w.roles)
    (*node_of)[role.where] = role.node % (nodes > 0 ? nodes : w.nodes());
  const auto disk_here = files ? files : std::make_shared<memory_disk>();
  auto playing = std::make_shared<simulated_world*>(nullptr);
  return start_run(w,
                   std::move(options),
                   {.make_world =
                        [&] {
                          auto out = std::make_unique<simulated_world>(simulated_world_options{
                              .model = model,
                              .node_of = [node_of](const address& a) { return node_of->at(a); },
                              .cost = cost_function(w, costs),
                              .on_message = on_message,
                              .files = disk_here});
                          *playing = out.get();
                          return out;
                        },
                    .kernel_threads = model.node.cores,
                    .compile = timing_only ? stand_in_compiler() : compile_cpu,
                    .files = disk_here,
                    .report = [playing](run_result& r) { r.simulation = (*playing)->report(); }});
}

} // namespace troupe
