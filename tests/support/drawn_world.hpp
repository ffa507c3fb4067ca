// A job, a wiring and a simulated cluster, drawn together; as values, so that a world that fails
// can be made smaller. Two phases: whatever goes wrong ends, and then the job must reach its end.
#pragma once

#include "support/random_jobs.hpp"
#include "support/random_wirings.hpp"
#include "support/random_worlds.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace troupe::test {

struct drawn_world {
  std::uint64_t seed = 0;
  troupe::job job;
  hybrid_options options;
  std::uint64_t differ = 0; // draws how replicas differ; 0: they do not
  bool scattered = false;   // every role on a node of its own
  simulated_cluster cluster;
  std::vector<trouble> troubles;
  std::vector<planned_kill> kills;
  std::vector<dial> dials;
  bool evaluates = false;
  std::int64_t checkpoint_every = 0; // 0: none
  bool timed = false;                // how long it takes is compared with the undisturbed run

  [[nodiscard]] bool as_they_come() const { return options.order.as_they_come(); }

  [[nodiscard]] wiring wired() const {
    auto out = hybrid(job, options);
    if (differ != 0) {
      chance c(differ);
      make_replicas_differ(c, options, out);
    }
    if (scattered) scatter(out);
    return out;
  }

  [[nodiscard]] simulated_cluster disturbed() const {
    auto out = cluster;
    add_troubles(troubles, out);
    return out;
  }

  // Of a run that saves in `folder`.
  [[nodiscard]] run_options run_with(const std::string& folder) const {
    run_options out{.evaluate = evaluates, .kills = kills, .dials = dials};
    if (checkpoint_every > 0) {
      out.checkpoint_folder = folder;
      out.checkpoint_every = checkpoint_every;
      out.checkpoints_kept = 100;
    }
    return out;
  }

  [[nodiscard]] std::size_t disturbances() const {
    return troubles.size() + kills.size() + dials.size();
  }

  // When the last thing that goes wrong by the clock is over.
  [[nodiscard]] std::chrono::nanoseconds healed() const {
    std::chrono::nanoseconds out{0};
    for (const auto& t : troubles)
      for (const auto& f : t)
        out = std::max(out, f.when);
    return out;
  }
};

// Kills at the moment when somebody hears something, as the undisturbed run tells it: of every kind
// of message as often, however rare it is.
inline void draw_aimed_kills(chance& c, drawn_world& d, const wiring& w) {
  struct moment {
    std::chrono::nanoseconds when;
    address who;
  };

  std::map<std::pair<role_kind, std::size_t>, std::vector<moment>> moments; // by what is heard
  const auto mortal = mortals_of(w);
  auto where = d.cluster;
  where.on_message = [&](const heard_message& m) {
    if (std::find(mortal.begin(), mortal.end(), m.to) != mortal.end())
      moments[{m.to.role, m.content->index()}].push_back({m.when, m.to});
  };
  auto options = d.run_with("/saved");
  options.kills.clear();
  try {
    where.start(w, options).wait();
  } catch (const error&) {
    return; // a loss that is no number
  }
  for (int n = c.between(1, 4); n > 0; --n) {
    const auto& kind =
        std::next(moments.begin(), static_cast<int>(c.below(moments.size())))->second;
    const auto& at = kind[c.below(kind.size())];
    const auto after = std::chrono::nanoseconds(c.one_of({-1, 0, 1, 1'000, 60'000}));
    d.troubles.push_back({{std::max(at.when + after, {}), kill_fault{at.who}}});
  }
}

// Mostly near the death of another: while it is told, or while the next one begins.
inline void draw_kills_of_the_supervisor(chance& c, drawn_world& d) {
  const auto others = d.troubles;
  for (int n = c.between(1, 3); n > 0; --n) {
    auto when = random_time(c);
    if (!others.empty() && c.percent(80))
      when = others[c.below(others.size())].front().when +
             std::chrono::nanoseconds(c.one_of({0, 1, 2'000, 3'000, 60'000, 400'000}));
    d.troubles.push_back({{when, kill_fault{{.role = role_kind::supervisor}}}});
  }
}

// Workers and servers, each of whose updates is applied as it comes.
inline void draw_as_they_come(chance& c, drawn_world& d) {
  d.job.outer = {};
  if (d.job.compression && d.job.compression->has_residual()) d.job.compression = nullptr;
  auto& o = d.options;
  const auto pieces = static_cast<int>(
      pieces_of(graph_of(d.job), {.microbatch = d.job.batch / d.job.microbatches}).size());
  o = {.replicas = c.between(1, 4), .stages = c.between(1, std::min(pieces, 3))};
  o.holders = c.between(1, 3);
  o.recompute = c.percent(30);
  if (o.stages > 1) draw_schedule(c, o, pieces, static_cast<int>(d.job.microbatches));
  o.order = {.kind = c.percent(60) ? consistency_kind::bounded : consistency_kind::asynchronous,
             .staleness = static_cast<std::uint64_t>(c.between(0, 3)),
             .staleness_aware = c.percent(20),
             .delay_compensation = c.percent(20) ? 0.04F : 0.0F};
  d.job.steps = static_cast<std::int64_t>(c.between(2, 4)) * o.replicas + c.between(0, 2);
}

inline void draw_differences(chance& c, drawn_world& d) {
  const auto& o = d.options;
  const bool may_differ = !o.spread_slices && !o.stash_weights && !d.as_they_come() &&
                          (!d.job.compression || d.job.compressed_microbatches == 1);
  if (o.replicas > 1 && may_differ && c.percent(30))
    d.differ = static_cast<std::uint64_t>(c.between(1, 1 << 30));
  d.scattered = c.percent(40);
}

// More of what a draw of a job and a wiring seldom has.
inline void draw_rarities(chance& c, drawn_world& d) {
  auto& o = d.options;
  if (!d.as_they_come() && o.stages > 1 && o.chunks == 1 && !o.own_schedule && !o.spread_slices &&
      d.job.outer.islands == 0 && !o.balance_shares && o.backups == 0 && c.percent(25))
    o.stash_weights = true;
  d.evaluates = c.percent(50);
  if (d.evaluates && !d.job.data.test)
    d.job.data.test = std::make_shared<const dataset>(synthetic(
        c.between(1, 230), d.job.data.train->image, d.job.data.train->classes, d.job.seed + 1));
}

// The draws of a seed, in this order: job, who computes, nodes, links, what goes wrong, what is
// evaluated and saved. Nothing where hybrid() would refuse it.
inline std::optional<drawn_world> draw_world(std::uint64_t seed) {
  chance c(seed);
  drawn_world out{.seed = seed};
  out.job = random_job(c);
  if (c.percent(25))
    draw_as_they_come(c, out);
  else
    out.options = random_wiring(c, out.job);
  draw_rarities(c, out);
  out.options.holder_copies = random_copies(seed);
  if (!mistakes_of(out.job, out.options).empty()) return std::nullopt;
  draw_differences(c, out);
  const wiring w = out.wired();
  out.kills = random_kills(c, w);
  out.dials = random_dials(c, w);
  out.cluster = random_cluster(c, w, seed);
  out.troubles = random_troubles(c, w, nodes_of(out.cluster, w));
  out.timed = c.percent(15);
  if (c.percent(35))
    out.checkpoint_every = out.options.stash_weights ? out.job.steps_per_epoch() : c.between(1, 2);
  if (c.percent(60)) draw_aimed_kills(c, out, w);
  if (c.percent(40)) draw_kills_of_the_supervisor(c, out);
  return out;
}

inline std::string text(const drawn_world& d) {
  auto out = fmt::format(
      "{}\n{}{}{}{}{}{}",
      test::text(d.job),
      test::text(d.options),
      d.as_they_come() ? ", " + troupe::text(d.options.order) : "",
      d.scattered ? ", each on a node of its own" : "",
      d.evaluates ? ", evaluated" : "",
      d.checkpoint_every > 0 ? fmt::format(", saved every {} steps", d.checkpoint_every) : "",
      d.differ != 0 ? ", replicas differ by draw " + std::to_string(d.differ) : "");
  return out + "\n" + test::text(d.disturbed()) + test::text(d.kills) + test::text(d.dials);
}

} // namespace troupe::test
