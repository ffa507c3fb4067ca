// Draws wirings and kills for a job. What hybrid() would refuse is avoided, but a test should count
// what it refuses all the same.
#pragma once

#include "ops/program.hpp"
#include "support/chance.hpp"
#include "troupe/cluster.hpp"
#include "troupe/dials.hpp"
#include "troupe/topology.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace troupe::test {

// Any schedule that can run: operations are appended one by one, each chosen among those whose
// inputs exist by then. `split_percent`: of the backward passes. `in_order`: the forwards of all
// parts are, as a dial for depth asks for.
inline schedule random_schedule(chance& c,
                                int stages,
                                int parts,
                                std::uint32_t microbatches,
                                int split_percent,
                                bool in_order = false) {
  schedule out{"own", stages, parts, microbatches, {}};
  out.per_stage.resize(static_cast<std::size_t>(stages));
  const auto width = static_cast<std::size_t>(microbatches);
  const auto at = [&](int part, std::uint32_t m) {
    return static_cast<std::size_t>(part) * width + m;
  };
  const std::size_t pairs = static_cast<std::size_t>(parts) * width;
  std::vector<bool> forward(pairs), backward(pairs), weights(pairs), split(pairs);
  for (std::size_t i = 0; i < pairs; ++i)
    split[i] = c.percent(split_percent);
  for (;;) {
    std::vector<schedule_op> can;
    for (int p = 0; p < parts; ++p)
      for (std::uint32_t m = 0; m < microbatches; ++m) {
        const auto i = at(p, m);
        if (!forward[i] && (p == 0 || forward[at(p - 1, m)]) &&
            (!in_order || m == 0 || forward[at(p, m - 1)]))
          can.push_back({op_kind::forward, p, m});
        if (forward[i] && !backward[i] && (p == parts - 1 || backward[at(p + 1, m)]))
          can.push_back({split[i] ? op_kind::backward_input : op_kind::backward, p, m});
        if (backward[i] && split[i] && !weights[i])
          can.push_back({op_kind::backward_weights, p, m});
      }
    if (can.empty()) return out;
    const schedule_op op = can[static_cast<std::size_t>(c.between(0, int(can.size()) - 1))];
    const auto i = at(op.part, op.microbatch);
    (op.kind == op_kind::forward            ? forward
     : op.kind == op_kind::backward_weights ? weights
                                            : backward)[i] = true;
    out.per_stage[static_cast<std::size_t>(op.part % stages)].push_back(op);
  }
}

inline std::vector<int> random_cut(chance& c, int parts, int pieces) {
  std::vector<int> out;
  for (int first = 1, left = parts - 1; left > 0; --left) {
    out.push_back(c.between(first, pieces - left));
    first = out.back() + 1;
  }
  return out;
}

// A number of 1 .. most that divides n.
inline int random_divisor(chance& c, int n, int most) {
  std::vector<int> divisors;
  for (int d = 1; d <= std::min(n, most); ++d)
    if (n % d == 0) divisors.push_back(d);
  return divisors[static_cast<std::size_t>(c.between(0, int(divisors.size()) - 1))];
}

inline void draw_schedule(chance& c, hybrid_options& o, int pieces, int microbatches) {
  if (c.percent(25)) {
    o.chunks = c.between(1, std::min(3, pieces / o.stages));
    o.own_schedule = random_schedule(c,
                                     o.stages,
                                     o.stages * o.chunks,
                                     static_cast<std::uint32_t>(microbatches),
                                     c.one_of({0, 0, 50, 100}),
                                     c.percent(50));
    return;
  }
  o.schedule = c.one_of({"gpipe", "1f1b", "interleaved", "zero-bubble"});
  if (o.schedule == "interleaved") o.chunks = c.between(1, std::min(3, pieces / o.stages));
}

// Whether no replica gets a part of what is compressed in one.
inline bool fit_compression(const job& j, int replicas) {
  const auto share = j.microbatches / static_cast<std::uint32_t>(replicas);
  const auto nodes = compressed_nodes(j);
  return !j.compression || std::all_of(nodes.begin(), nodes.end(), [&](const tree_span& node) {
    return node.first / share == (node.first + node.count - 1) / share;
  });
}

// Balanced shares, backups, or both. The order of computing is then for the whole batch.
inline void draw_dealing(chance& c, hybrid_options& o) {
  o.balance_shares = c.percent(60);
  if (!o.balance_shares || c.percent(40)) o.backups = c.between(1, 2);
  o.groups = 0;
}

inline hybrid_options random_wiring(chance& c, const job& j) {
  const graph g = graph_of(j);
  const auto pieces =
      static_cast<int>(pieces_of(g, {.microbatch = j.batch / j.microbatches}).size());
  hybrid_options out;
  // Each island has as many replicas, and groups are within islands.
  const int islands = std::max(1, static_cast<int>(j.outer.islands));
  const int own = static_cast<int>(j.microbatches) / islands;
  out.replicas = islands * random_divisor(c, own, std::max(1, 6 / islands));
  if (!fit_compression(j, out.replicas)) out.replicas = 1;
  if (c.percent(75)) out.stages = c.between(1, std::min(pieces, 5));
  out.holders = c.one_of({0, 0, 1, 1, 2, 3, 5});
  out.block_bytes_max = c.one_of({0, 64 * 1024, 128 * 1024});
  out.recompute = c.percent(30);
  const bool residuals = j.compression && j.compression->has_residual();
  if (j.outer.islands == 0 && !residuals && c.percent(30)) draw_dealing(c, out);
  if (out.stages > 1 || c.percent(20))
    draw_schedule(
        c, out, pieces, static_cast<int>(j.microbatches) / (out.balance_shares ? 1 : out.replicas));
  if (const int parts = out.stages * out.chunks; parts > 1 && c.percent(50))
    out.cut = random_cut(c, parts, pieces);
  else if (c.percent(20))
    for (int i = 0; i < pieces; ++i)
      out.piece_costs.push_back(c.between(1, 9));
  if (!out.balance_shares && out.backups == 0 && c.percent(50))
    out.groups = islands * random_divisor(c, out.replicas / islands, std::max(1, 4 / islands));
  out.spread_slices = !j.slices.empty() && c.percent(50);
  // Another result, which its own reference has.
  out.stash_weights = out.stages > 1 && out.chunks == 1 && !out.own_schedule &&
                      !out.spread_slices && j.outer.islands == 0 && !out.balance_shares &&
                      out.backups == 0 && c.percent(25);
  return out;
}

// What hybrid() makes, edited as a user may: each replica gets a run of the microbatches of any
// length, a schedule of its own, and one of the groups or none. Returns what it made as text.
inline std::string make_replicas_differ(chance& c, const hybrid_options& o, wiring& w) {
  std::string out;
  const int parts = o.stages * o.chunks, split_percent = c.one_of({0, 0, 50, 100});
  const int islands = std::max(1, static_cast<int>(w.job.outer.islands));
  const int of_island = o.replicas / islands, groups = o.groups / islands;
  std::uint32_t first = 0;
  std::vector<microbatch_range> runs;
  std::uint32_t longest = 0;
  for (int r = 0; r < o.replicas + o.backups; ++r) {
    const bool backup = r >= o.replicas; // not of islands
    const int island = backup ? 0 : r / of_island;
    const auto others = static_cast<std::uint32_t>(backup ? 0 : of_island - 1 - r % of_island);
    const auto end = static_cast<std::uint32_t>(island + 1) * w.job.island_microbatches();
    const std::uint32_t left = end - first - others;
    const microbatch_range own =
        backup
            ? runs[static_cast<std::size_t>(c.between(0, o.replicas - 1))]
            : microbatch_range{first, others == 0 ? left : std::uint32_t(c.between(1, int(left)))};
    longest = std::max(longest, own.count);
    const auto most = o.balance_shares ? w.job.microbatches : backup ? longest : own.count;
    const schedule order = random_schedule(c, o.stages, parts, most, split_percent);
    int group = groups > 0 ? c.between(0, groups) : 0;
    if (group > 0) group += island * groups;
    out += fmt::format("\nreplica {}, group {}: {}", r, group, troupe::text(order));
    for (wired_role& role : w.roles) {
      const bool shard = role.where.role == role_kind::layer_shard;
      if ((!shard && role.where.role != role_kind::data_loader) ||
          role.where.replica != static_cast<std::uint32_t>(r))
        continue;
      role.microbatches = own;
      if (!shard) continue;
      role.schedule = order.per_stage[role.where.stage];
      role.group = group;
    }
    runs.push_back(own);
    if (!backup) first += own.count;
  }
  return out;
}

inline std::vector<slow_actor> random_slow(chance& c, const wiring& w) {
  std::vector<slow_actor> out;
  for (const auto& who : w.of(role_kind::layer_shard))
    if (c.percent(30)) out.push_back({who, double(c.between(2, 8))});
  return out;
}

inline std::vector<planned_kill> random_kills(chance& c, const wiring& w) {
  std::vector<address> victims;
  for (const auto& r : w.roles)
    if (r.where.role == role_kind::layer_shard || r.where.role == role_kind::data_loader ||
        r.where.role == role_kind::gradient_aggregator)
      victims.push_back(r.where);
  std::vector<planned_kill> out;
  for (int n = c.percent(30) ? c.between(1, 4) : 0; n > 0; --n)
    out.push_back({victims[static_cast<std::size_t>(c.between(0, int(victims.size()) - 1))],
                   c.between(0, static_cast<int>(w.job.steps) - 1),
                   c.between(1, 12)});
  return out;
}

// Half of them inside a handler or before it. From a stream of their own, as copies are.
inline void draw_calls(std::uint64_t seed, std::vector<planned_kill>& of) {
  chance c(seed ^ 0xCA115U);
  for (planned_kill& k : of)
    if (c.percent(50)) k.call = c.between(0, 4);
}

// From a stream of their own: what else is drawn of a seed without copies is what it was.
inline int random_copies(std::uint64_t seed) {
  chance c(seed ^ 0xC0B1E5U);
  return c.percent(30) ? c.between(2, 3) : 1;
}

// Of each parameter holder at most so many that one copy is left.
inline void add_holder_kills(chance& c, const wiring& w, std::vector<planned_kill>& to) {
  for (const auto& holder : w.of(role_kind::parameter_holder)) {
    const auto copies = copies_of(w, holder);
    if (holder.stage != 0 || copies.size() < 2) continue;
    for (std::size_t n = c.below(copies.size()); n > 0; --n)
      to.push_back({copies[c.below(copies.size())],
                    c.between(0, static_cast<int>(w.job.steps) - 1),
                    c.between(1, 6)});
  }
}

// For most wirings, those that can be set; a few of one kind follow each other closely.
inline std::vector<dial> random_dials(chance& c, const wiring& w) {
  std::vector<dial> out;
  const auto edges = credit_edges_of(w);
  for (int n = c.percent(50) ? c.between(1, 6) : 0; n > 0; --n) {
    const auto& e = edges[static_cast<std::size_t>(c.between(0, int(edges.size()) - 1))];
    const int most = e.kind == credit_kind::depth ? int(e.most) : 5;
    dial d{.kind = e.kind,
           .of = {},
           .value = static_cast<std::uint64_t>(
               c.between(e.kind == credit_kind::depth ? 1 : 0, c.percent(50) ? 1 : most)),
           .step = c.between(0, static_cast<int>(w.job.steps) - 1)};
    if (c.percent(50)) d.of = e.who;
    if (mistakes_of(w, d).empty()) out.push_back(d);
  }
  return out;
}

inline std::string text(const hybrid_options& o) {
  return fmt::format(
      "wiring: {} replicas, {} backups{}, {} groups, {} stages, {} holders of {} copies, {}, {} "
      "chunks, cut [{}], {} piece "
      "costs{}{}{}, blocks of at most {} bytes",
      o.replicas,
      o.backups,
      o.balance_shares ? ", balanced" : "",
      o.groups,
      o.stages,
      o.holders,
      o.holder_copies,
      o.own_schedule ? "\n" + troupe::text(*o.own_schedule) : o.schedule,
      o.chunks,
      fmt::join(o.cut, " "),
      o.piece_costs.size(),
      o.recompute ? ", recomputing" : "",
      o.spread_slices ? ", slices spread" : "",
      o.stash_weights ? ", weights stashed" : "",
      o.block_bytes_max);
}

inline std::string text(const std::vector<slow_actor>& slow) {
  std::string out;
  for (const auto& s : slow)
    out += fmt::format("\nslow {}@x{}", s.who.text(), s.factor);
  return out;
}

inline std::string text(const std::vector<dial>& dials) {
  std::string out;
  for (const auto& d : dials)
    out += "\ndial " + troupe::text(d);
  return out;
}

inline std::string text(const std::vector<planned_kill>& kills) {
  std::string out;
  for (const auto& k : kills)
    out += "\nkill " + troupe::text(k);
  return out;
}

} // namespace troupe::test
