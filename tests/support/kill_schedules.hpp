// Schedules of kills, of every role and of whole nodes, with pauses, partitions and full disks in
// between, in jobs that are few and small.
#pragma once

#include "src/protocol_jobs.hpp"
#include "support/chance.hpp"
#include "support/passed_points.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <utility>
#include <vector>

namespace troupe::test {

inline constexpr std::chrono::nanoseconds kills_within =
    std::chrono::milliseconds(12); // most of the jobs are over then, if nothing holds them up

struct subject {
  played_job job;
  reference_run expected;
  std::vector<address> mortal;
  std::vector<int> nodes;   // on which nobody is immortal
  std::vector<int> writers; // who writes checkpoints is there
};

inline bool writes(role_kind role) {
  return role == role_kind::checkpointer || role == role_kind::parameter_holder ||
         role == role_kind::residual_keeper;
}

inline std::vector<subject> subjects() {
  std::vector<subject> out;
  for (auto& j : protocol_jobs()) {
    j.world.checkpoint_every = std::min<std::int64_t>(j.world.checkpoint_every, 3);
    const auto w = j.world.wired();
    auto expected = reference_of(j.world);
    std::vector<int> nodes, writers;
    for (const auto& r : w.roles) {
      if (is_mortal(w, r.where)) nodes.push_back(r.node);
      if (writes(r.where.role)) writers.push_back(r.node);
    }
    out.push_back(
        {std::move(j), std::move(expected), mortals_of(w), std::move(nodes), std::move(writers)});
  }
  return out;
}

inline std::chrono::nanoseconds moment(chance& c) {
  return std::chrono::nanoseconds(c.between(0, static_cast<int>(kills_within.count())));
}

inline void draw_kills(chance& c, const subject& s, std::vector<timed_fault>& out) {
  const auto anybody = [&] { return s.mortal[c.below(s.mortal.size())]; };
  for (int n = c.one_of({1, 1, 2, 3, 5, 10, 20}); n > 0; --n) {
    const auto when = moment(c);
    const auto who = anybody();
    out.push_back({when, kill_fault{who}});
    if (c.percent(25)) out.push_back({when, kill_fault{anybody()}}); // at once
    if (c.percent(25)) // while it comes back, or as soon as it has
      out.push_back({when + std::chrono::nanoseconds(c.between(1, 200'000)), kill_fault{who}});
    if (c.percent(10))
      out.push_back({when + std::chrono::nanoseconds(c.between(0, 300'000)),
                     kill_fault{{.role = role_kind::supervisor}}});
    if (c.percent(10)) out.push_back({when, kill_node_fault{s.nodes[c.below(s.nodes.size())]}});
  }
}

inline void draw_partitions(chance& c, const subject& s, std::vector<timed_fault>& out) {
  for (int n = c.one_of({0, 0, 1, 1, 3}); n > 0; --n) {
    const auto from = moment(c), until = from + moment(c);
    const int node = s.nodes[c.below(s.nodes.size())], other = s.nodes[c.below(s.nodes.size())];
    switch (c.between(0, 2)) {
    case 0:
      out.push_back({from, pause_fault{node}});
      out.push_back({until, resume_fault{node}});
      break;
    case 1:
      out.push_back({from, isolate_fault{whole::node, node}});
      out.push_back({until, reconnect_fault{whole::node, node}});
      break;
    default:
      if (node == other) break;
      out.push_back({from, cut_fault{node, other}});
      out.push_back({until, heal_fault{node, other}});
    }
  }
}

// A disk that is full for a while, of somebody who writes a part of a checkpoint.
inline void draw_full_disks(chance& c, const subject& s, std::vector<timed_fault>& out) {
  for (int n = c.one_of({0, 1, 1, 3}); n > 0; --n) {
    const auto from = moment(c), until = from + moment(c);
    const int node = s.writers[c.below(s.writers.size())];
    out.push_back({from, fill_disk_fault{node}});
    if (c.percent(70)) out.push_back({until, empty_disk_fault{node}});
  }
}

// Of every twentieth message a copy comes later, out of order.
inline auto late_copies(chance c) {
  return [c](const address&, const address&, const message&) mutable {
    message_fate out;
    if (c.percent(5)) out.copy_after = std::chrono::microseconds(c.between(1, 6000));
    return out;
  };
}

inline void draw_network(chance& c, simulation_model& m) {
  if (c.percent(50)) m.order = exploration::anything;
  m.link.duplicates = c.one_of({0.0, 0.0, 0.2});
  m.link.loss = c.one_of({0.0, 0.0, 0.05});
  m.link.resend_after = c.one_of<std::chrono::nanoseconds>(
      {std::chrono::microseconds(300), std::chrono::milliseconds(20)});
  if (c.percent(25)) m.on_way = late_copies(chance(m.seed));
}

inline drawn_world schedule_of(const subject& s, chance& c, std::uint64_t seed) {
  auto out = s.job.world;
  auto& m = out.cluster.model;
  m.seed = seed;
  draw_network(c, m);
  if (c.percent(85)) out.checkpoint_every = 0;
  draw_kills(c, s, m.faults);
  draw_partitions(c, s, m.faults);
  if (out.checkpoint_every > 0) draw_full_disks(c, s, m.faults);
  return out;
}

// Whom a kill hits, by who was killed before: the same again, another one of its replica, anybody.
inline std::vector<address> next_victims(chance& c, const subject& s, const address& last) {
  const int draw = c.between(0, 99);
  if (draw < 25) return {last};
  std::vector<address> out;
  for (const address& who : s.mortal)
    if (draw >= 50 || (who.replica == last.replica && who != last)) out.push_back(who);
  return out;
}

// Kills at fault points, each of the points that are passed after the one before, mostly among
// those of its recovery: between two messages of one handler, too, where no moment leads to.
inline drawn_world aimed_schedule_of(const subject& s, chance& c, std::uint64_t seed) {
  auto out = s.job.world;
  out.cluster.model.seed = seed;
  draw_network(c, out.cluster.model);
  if (c.percent(50)) draw_partitions(c, s, out.cluster.model.faults);
  std::ptrdiff_t from = 0;
  for (int n = c.one_of({1, 2, 2, 3, 5}); n > 0; --n) {
    const bool recovers = !out.kills.empty() && c.percent(85);
    const auto victims = recovers ? next_victims(c, s, out.kills.back().who) : s.mortal;
    const auto passed = points_of(out).all;
    std::vector<std::ptrdiff_t> later;
    for (auto p = from; p < std::ssize(passed); ++p) {
      const auto& who = passed[static_cast<std::size_t>(p)].who;
      if (std::find(victims.begin(), victims.end(), who) != victims.end()) later.push_back(p);
    }
    if (later.empty()) continue;
    const auto near = recovers ? c.one_of<std::size_t>({10, 150}) : later.size();
    from = later[c.below(std::min(near, later.size()))];
    out.kills.push_back(passed[static_cast<std::size_t>(from++)]);
  }
  return out;
}

} // namespace troupe::test
