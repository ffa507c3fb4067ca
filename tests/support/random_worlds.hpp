// Draws simulated clusters: nodes, links and everything that may go wrong on them. What is cut
// heals and what is paused resumes, so the job must reach its end.
#pragma once

#include "support/chance.hpp"
#include "troupe/simulated_cluster.hpp"

#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <cstdint>
#include <string>
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

inline void add_faults(chance& c, const wiring& w, int nodes, std::vector<timed_fault>& out) {
  std::vector<address> mortal;
  for (const auto& r : w.roles)
    if (r.where.role == role_kind::layer_shard || r.where.role == role_kind::data_loader ||
        r.where.role == role_kind::gradient_aggregator || r.where.role == role_kind::checkpointer ||
        r.where.role == role_kind::evaluator)
      mortal.push_back(r.where);
  if (c.percent(70))
    for (int n = c.between(1, 8); n > 0; --n)
      out.push_back({random_time(c),
                     kill_fault{mortal[static_cast<std::size_t>(
                         c.between(0, static_cast<int>(mortal.size()) - 1))]}});
  if (c.percent(30))
    for (int n = c.between(1, 3); n > 0; --n) {
      const auto began = random_time(c);
      const int node = c.between(0, nodes - 1);
      out.push_back({began, pause_fault{node}});
      out.push_back({began + random_time(c), resume_fault{node}});
    }
  if (nodes > 1 && c.percent(40))
    for (int n = c.between(1, 4); n > 0; --n) {
      const auto began = random_time(c);
      const int from = c.between(0, nodes - 1);
      const int to = (from + c.between(1, nodes - 1)) % nodes;
      out.push_back({began, cut_fault{from, to}});
      out.push_back({began + random_time(c), heal_fault{from, to}});
    }
  if (c.percent(20))
    out.push_back(
        {random_time(c), slow_fault{c.between(0, nodes - 1), c.one_of({0.5, 3.0, 50.0})}});
}

inline simulated_cluster random_world(chance& c, const wiring& w, std::uint64_t seed) {
  simulated_cluster out;
  out.model.seed = seed;
  if (c.percent(50)) out.model.order = exploration::anything;
  out.nodes = c.percent(30) ? c.between(1, w.nodes()) : 0;
  const int nodes = out.nodes > 0 ? out.nodes : w.nodes();
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
  out.costs.flops_per_second = c.one_of({1e6, 1e8, 1e10});
  add_faults(c, w, nodes, out.model.faults);
  return out;
}

// Every role on a node of its own: all that is said takes a link.
inline void scatter(wiring& w) {
  for (std::size_t i = 0; i < w.roles.size(); ++i)
    w.roles[i].node = static_cast<int>(i);
}

inline std::string text(const link_model& l) {
  return fmt::format("{} us, tail {} us, {:.3g} bytes/s, loss {}, duplicates {}",
                     l.latency.count() / 1000,
                     l.jitter.count() / 1000,
                     l.bytes_per_second,
                     l.loss,
                     l.duplicates);
}

inline std::string text(const simulated_cluster& s) {
  return fmt::format("world: {} nodes, {}; links {}; {} links and {} nodes differ; {} faults",
                     s.nodes,
                     s.model.order == exploration::anything ? "any order" : "by time",
                     text(s.model.link),
                     s.model.links.size(),
                     s.model.nodes.size(),
                     s.model.faults.size());
}

} // namespace troupe::test
