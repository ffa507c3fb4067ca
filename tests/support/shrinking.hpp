// Makes a world that fails smaller while it still fails in the same manner: delta debugging over
// what goes wrong in it (Zeller and Hildebrandt, "Simplifying and isolating failure-inducing
// input", 2002), and then one number or feature after the other, until nothing helps or time is up.
#pragma once

#include "support/world_checks.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

namespace troupe::test {

struct shrinking_limits {
  double seconds = 20;
  int tries = std::numeric_limits<int>::max();
};

struct shrunk_world {
  drawn_world world;
  world_failure failure;
  int tries = 0;
};

// What is wrong with the run of a world that can be played.
using world_judge = std::function<std::optional<world_failure>(const drawn_world&)>;

inline std::optional<world_failure> judged(const drawn_world& d) {
  const reference_run expected = reference_of(d);
  if (!is_finite(expected)) return std::nullopt;
  return world_check(d, expected).play().failure;
}

class shrinking {
public:
  shrinking(drawn_world world, world_failure failure, shrinking_limits limits, world_judge judge)
      : best_{std::move(world), std::move(failure)},
        limits_(limits),
        judge_(std::move(judge)),
        began_(std::chrono::steady_clock::now()) {}

  shrunk_world run() {
    for (bool smaller = true; smaller && !spent();) {
      smaller = reduce_disturbances();
      for (const auto& make : changes())
        while (!spent() && try_changed(make))
          smaller = true;
    }
    return best_;
  }

private:
  using change = std::function<bool(drawn_world&)>; // false: there is nothing to change

  [[nodiscard]] bool spent() const {
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - began_;
    return taken.count() > limits_.seconds || best_.tries >= limits_.tries;
  }

  // Whether a candidate can be played and fails as the world does that is made smaller.
  bool accept(const drawn_world& candidate) {
    ++best_.tries;
    try {
      if (!mistakes_of(candidate.job, candidate.options).empty()) return false;
      const wiring w = candidate.wired();
      if (!mistakes_of(w).empty() || !mistakes_of(candidate.disturbed(), w).empty()) return false;
      const auto failure = judge_(candidate);
      if (!failure || failure->kind != best_.failure.kind) return false;
      best_.failure = *failure;
      best_.world = candidate;
      return true;
    } catch (const error&) {
      return false; // it names somebody who is not there any more
    }
  }

  bool try_changed(const change& make) {
    auto candidate = best_.world;
    return make(candidate) && accept(candidate);
  }

  // Of troubles, kills and dials, counted through.
  static drawn_world with(const drawn_world& all, const std::vector<std::size_t>& kept) {
    auto out = all;
    out.troubles.clear();
    out.kills.clear();
    out.dials.clear();
    for (auto i : kept) {
      if (i < all.troubles.size()) {
        out.troubles.push_back(all.troubles[i]);
        continue;
      }
      i -= all.troubles.size();
      if (i < all.kills.size())
        out.kills.push_back(all.kills[i]);
      else
        out.dials.push_back(all.dials[i - all.kills.size()]);
    }
    return out;
  }

  // Runs of them are left out, first long ones, then short ones.
  bool reduce_disturbances() {
    bool smaller = false;
    const auto all = best_.world;
    std::vector<std::size_t> kept(all.disturbances());
    for (std::size_t i = 0; i < kept.size(); ++i)
      kept[i] = i;
    for (auto run = kept.size(); run > 0; run /= 2)
      for (std::size_t at = 0; at < kept.size() && !spent();) {
        auto fewer = kept;
        const auto first = fewer.begin() + static_cast<std::ptrdiff_t>(at);
        fewer.erase(first, first + static_cast<std::ptrdiff_t>(std::min(run, fewer.size() - at)));
        if (accept(with(all, fewer))) {
          kept = std::move(fewer);
          smaller = true;
        } else {
          at += run;
        }
      }
    return smaller;
  }

  template <class Value>
  static bool set(Value& field, Value to) {
    if (field == to) return false;
    field = std::move(to);
    return true;
  }

  // Towards `least`: at once, by half, by one.
  template <class Number>
  static std::vector<std::function<bool(Number&)>> lowerings(Number least) {
    return {[least](Number& n) { return n > least && set(n, least); },
            [least](Number& n) {
              return n > least + 1 && set(n, static_cast<Number>(least + (n - least) / 2));
            },
            [least](Number& n) { return n > least && set(n, static_cast<Number>(n - 1)); }};
  }

  static bool set_microbatches(drawn_world& d, std::uint32_t n) {
    d.job.batch = d.job.batch / d.job.microbatches * n;
    return set(d.job.microbatches, n);
  }

  static std::vector<change> changes() {
    std::vector<change> out = options_that_go();
    for (const auto& lower : lowerings<std::int64_t>(1))
      out.emplace_back([lower](drawn_world& d) { return lower(d.job.steps); });
    for (const auto& lower : lowerings<std::uint32_t>(1))
      out.emplace_back([lower](drawn_world& d) {
        auto n = d.job.microbatches;
        return lower(n) && set_microbatches(d, n);
      });
    for (int hybrid_options::*field : {&hybrid_options::replicas,
                                       &hybrid_options::stages,
                                       &hybrid_options::holders,
                                       &hybrid_options::holder_copies})
      for (const auto& lower : lowerings<int>(1))
        out.emplace_back([lower, field](drawn_world& d) { return lower(d.options.*field); });
    for (std::size_t layer = 0; layer < 8; ++layer)
      out.emplace_back([layer](drawn_world& d) {
        auto& layers = d.job.model.layers;
        if (layer + 1 >= layers.size()) return false; // the last one gives the classes
        layers.erase(layers.begin() + static_cast<std::ptrdiff_t>(layer));
        return true;
      });
    return out;
  }

  static std::vector<change> options_that_go() {
    return {
        [](drawn_world& d) { return set(d.timed, false); },
        [](drawn_world& d) { return set(d.evaluates, false); },
        [](drawn_world& d) { return set(d.checkpoint_every, std::int64_t{0}); },
        [](drawn_world& d) { return set(d.differ, std::uint64_t{0}); },
        [](drawn_world& d) { return set(d.scattered, false); },
        [](drawn_world& d) { return set(d.options.recompute, false); },
        [](drawn_world& d) { return set(d.options.groups, 0); },
        [](drawn_world& d) { return set(d.options.backups, 0); },
        [](drawn_world& d) { return set(d.options.balance_shares, false); },
        [](drawn_world& d) { return set(d.options.block_bytes_max, std::int64_t{0}); },
        [](drawn_world& d) { return set(d.options.chunks, 1) && (d.options.cut.clear(), true); },
        [](drawn_world& d) {
          if (!d.options.own_schedule) return false;
          d.options.own_schedule.reset();
          return true;
        },
        [](drawn_world& d) { return std::exchange(d.job.compression, nullptr) != nullptr; },
        [](drawn_world& d) { return !std::exchange(d.job.slices, {}).empty(); },
        [](drawn_world& d) { return std::exchange(d.job.outer.islands, 0U) != 0; },
        [](drawn_world& d) { return std::exchange(d.job.data.test, nullptr) != nullptr; },
        [](drawn_world& d) {
          return set(d.job.augment.flip, false) || set(d.job.augment.crop_padding, 0);
        },
        [](drawn_world& d) {
          auto& m = d.cluster.model;
          return set(m.order, exploration::by_time);
        },
        [](drawn_world& d) { return !std::exchange(d.cluster.model.links, {}).empty(); },
        [](drawn_world& d) { return !std::exchange(d.cluster.model.nodes, {}).empty(); },
        [](drawn_world& d) { return set(d.cluster.model.link.loss, 0.0); },
        [](drawn_world& d) { return set(d.cluster.model.link.duplicates, 0.0); },
        [](drawn_world& d) { return set(d.cluster.model.link.jitter, {}); },
        [](drawn_world& d) { return set(d.cluster.model.link.latency, {}); },
        [](drawn_world& d) {
          return set(d.cluster.model.link.bytes_per_second,
                     std::numeric_limits<double>::infinity());
        }};
  }

  shrunk_world best_;
  const shrinking_limits limits_;
  const world_judge judge_;
  const std::chrono::steady_clock::time_point began_;
};

inline shrunk_world shrunk(const drawn_world& world,
                           const world_failure& failure,
                           shrinking_limits limits = {},
                           world_judge judge = judged) {
  return shrinking(world, failure, limits, std::move(judge)).run();
}

} // namespace troupe::test
