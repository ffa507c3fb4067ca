// Draws simulated clusters: nodes, links and everything that may go wrong on them. What is cut
// heals and what is paused resumes, so the job must reach its end.
#pragma once

#include "support/chance.hpp"
#include "troupe/simulated_cluster.hpp"
#include "troupe/start_run.hpp"

#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <cstdint>
#include <set>
#include <string>
#include <variant>
#include <vector>

namespace troupe::test {

// Of every length between a message and a whole job.
inline std::chrono::nanoseconds random_time(chance& c) {
  const double exponent = 4.5 + 4.5 * c.between(0, 1000) / 1000.0; // 30 us to 1 s
  return std::chrono::nanoseconds(static_cast<std::int64_t>(std::pow(10.0, exponent)));
}

inline link_model random_link(chance& c) {
  using us = std::chrono::microseconds;
  link_model out;
  out.latency = c.one_of<us>({us(0), us(10), us(200), us(5000)});
  out.jitter = c.one_of<us>({us(0), us(0), us(50), us(5000)});
  if (c.percent(60)) out.bytes_per_second = c.one_of({1e5, 1e7, 1e9});
  out.loss = c.one_of({0.0, 0.0, 0.02, 0.3});
  out.resend_after = c.one_of<us>({us(1000), us(20'000), us(200'000)});
  out.duplicates = c.one_of({0.0, 0.0, 0.1, 0.5});
  return out;
}

// What goes wrong, and what repairs it.
using trouble = std::vector<timed_fault>;

inline std::vector<address> mortals_of(const wiring& w) {
  std::vector<address> out;
  for (const auto& r : w.roles)
    if (is_mortal(w, r.where)) out.push_back(r.where);
  return out;
}

// Nodes that come, go and die as a whole: those on which nobody is immortal, and which nothing else
// happens to (who is not there cannot be paused).
inline std::vector<trouble>
random_memberships(chance& c, const wiring& w, int nodes, const std::vector<trouble>& others) {
  std::set<int> busy;
  const auto alone = lonely_state_of(w, nodes);
  for (const auto& r : w.roles)
    if (r.where.role == role_kind::supervisor || // some node is always there
        !is_mortal(w, r.where) || (w.order.as_they_come() && alone.contains(r.where)))
      busy.insert(r.node % nodes);
  for (const auto& t : others)
    for (const auto& f : t) {
      if (const auto* p = std::get_if<pause_fault>(&f.what)) busy.insert(p->node);
      if (const auto* s = std::get_if<slow_fault>(&f.what)) busy.insert(s->node);
    }
  std::vector<trouble> out;
  for (int node = 0; node < nodes; ++node) {
    if (busy.contains(node) || !c.percent(30)) continue;
    const auto first = random_time(c), second = first + random_time(c);
    if (c.percent(25))
      out.push_back({{first, kill_node_fault{node}}});
    else if (c.percent(30))
      out.push_back({{first, join_fault{node}}});
    else if (c.percent(50))
      out.push_back({{first, leave_fault{node}}});
    else
      out.push_back({{first, leave_fault{node}}, {second, join_fault{node}}});
  }
  return out;
}

inline std::vector<trouble> random_troubles(chance& c, const wiring& w, int nodes) {
  std::vector<trouble> out;
  const auto mortal = mortals_of(w);
  if (c.percent(70))
    for (int n = c.between(1, 8); n > 0; --n) {
      const auto when = random_time(c);
      out.push_back({{when, kill_fault{mortal[c.below(mortal.size())]}}});
      if (!c.percent(25)) continue; // and again while it comes back
      auto again = out.back().front();
      again.when += std::chrono::microseconds(c.one_of({1, 60, 500, 20'000}));
      out.push_back({again});
    }
  if (c.percent(30))
    for (int n = c.between(1, 3); n > 0; --n) {
      const auto began = random_time(c);
      const int node = c.between(0, nodes - 1);
      const auto ended = began + random_time(c);
      out.push_back({{began, pause_fault{node}}, {ended, resume_fault{node}}});
    }
  if (nodes > 1 && c.percent(40))
    for (int n = c.between(1, 4); n > 0; --n) {
      const auto began = random_time(c);
      const int from = c.between(0, nodes - 1);
      const int to = (from + c.between(1, nodes - 1)) % nodes;
      const auto ended = began + random_time(c);
      out.push_back({{began, cut_fault{from, to}}, {ended, heal_fault{from, to}}});
    }
  if (c.percent(20)) {
    const auto began = random_time(c);
    const int node = c.between(0, nodes - 1);
    const double factor = c.one_of({0.5, 3.0, 50.0});
    const auto ended = began + random_time(c);
    out.push_back({{began, slow_fault{node, factor}}, {ended, slow_fault{node, 1}}});
  }
  if (nodes > 1 && c.percent(20)) {
    const auto began = random_time(c);
    const int node = c.between(0, nodes - 1);
    const auto ended = began + random_time(c);
    out.push_back(
        {{began, isolate_fault{whole::node, node}}, {ended, reconnect_fault{whole::node, node}}});
  }
  const auto memberships = random_memberships(c, w, nodes, out);
  out.insert(out.end(), memberships.begin(), memberships.end());
  return out;
}

inline int nodes_of(const simulated_cluster& s, const wiring& w) {
  return s.nodes > 0 ? s.nodes : w.nodes();
}

// In which nothing goes wrong.
inline simulated_cluster random_cluster(chance& c, const wiring& w, std::uint64_t seed) {
  simulated_cluster out;
  out.model.seed = seed;
  if (c.percent(50)) out.model.order = exploration::anything;
  out.nodes = c.percent(30) ? c.between(1, w.nodes()) : 0;
  const int nodes = nodes_of(out, w);
  out.model.node = {.cores = c.between(1, 4)};
  for (int n = 0; n < nodes; ++n)
    if (c.percent(20))
      out.model.nodes[n] = {.cores = c.between(1, 3), .slowness = c.one_of({0.5, 2.0, 10.0})};
  out.model.link = random_link(c);
  if (nodes > 1)
    for (int n = c.percent(40) ? c.between(1, 3) : 0; n > 0; --n) {
      const int from = c.between(0, nodes - 1);
      out.model.links[{from, (from + c.between(1, nodes - 1)) % nodes}] = random_link(c);
    }
  out.costs.machine.flops_per_second = c.one_of({1e6, 1e8, 1e10});
  if (c.percent(25)) out.model.node.bytes_per_second = c.one_of({1e5, 1e7, 1e9});
  if (c.percent(25))
    out.model.racks = {.nodes = c.between(1, 4),
                       .bytes_per_second = c.one_of({1e5, 1e7, 1e9}),
                       .latency = std::chrono::microseconds(c.one_of({0, 100}))};
  return out;
}

inline void add_troubles(const std::vector<trouble>& troubles, simulated_cluster& to) {
  for (const auto& t : troubles)
    to.model.faults.insert(to.model.faults.end(), t.begin(), t.end());
}

inline simulated_cluster random_world(chance& c, const wiring& w, std::uint64_t seed) {
  auto out = random_cluster(c, w, seed);
  add_troubles(random_troubles(c, w, nodes_of(out, w)), out);
  return out;
}

// Every role on a node of its own: all that is said takes a link.
inline void scatter(wiring& w) {
  for (std::size_t i = 0; i < w.roles.size(); ++i)
    w.roles[i].node = static_cast<int>(i);
}

inline double milliseconds(std::chrono::nanoseconds t) {
  return std::chrono::duration<double, std::milli>(t).count();
}

inline std::string text(const link_model& l) {
  return fmt::format("{} ms, jitter {} ms, {:.3g} bytes/s, loss {} sent again after {} ms, "
                     "duplicates {}",
                     milliseconds(l.latency),
                     milliseconds(l.jitter),
                     l.bytes_per_second,
                     l.loss,
                     milliseconds(l.resend_after),
                     l.duplicates);
}

// As `troupe simulate --event` reads it.
inline std::string text(const timed_fault& f) {
  return fmt::format("{} ms {}", milliseconds(f.when), troupe::text(f.what));
}

inline std::string text(const simulated_cluster& s) {
  std::string out =
      fmt::format("world: seed {}, {} nodes (0: as the wiring), {}, {:g} FLOP/s, {} cores, ports "
                  "of {:g} bytes/s "
                  "(0: as links), racks of {} (0: none), {:g} bytes/s, {} ms\nlinks: {}",
                  s.model.seed,
                  s.nodes,
                  s.model.order == exploration::anything ? "any order" : "by time",
                  s.costs.machine.flops_per_second,
                  s.model.node.cores,
                  s.model.node.bytes_per_second,
                  s.model.racks.nodes,
                  s.model.racks.bytes_per_second,
                  milliseconds(s.model.racks.latency),
                  text(s.model.link));
  for (const auto& [ends, link] : s.model.links)
    out += fmt::format("\nlink {}->{}: {}", ends.first, ends.second, text(link));
  for (const auto& [number, node] : s.model.nodes)
    out += fmt::format("\nnode {}: {}x slower, {} cores", number, node.slowness, node.cores);
  for (const auto& f : s.model.faults)
    out += "\n" + text(f);
  return out;
}

} // namespace troupe::test
