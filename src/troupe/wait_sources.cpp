#include "troupe/wait_sources.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace troupe {

namespace {

constexpr std::size_t waits_of_actor_max = 256;

class namer {
public:
  explicit namer(const wait_sources& s) : s_(s), by_microbatch_(s.microbatches) {
    for (std::size_t i = 0; i < s.shards.size(); ++i) {
      const auto& shard = s.shards[i];
      by_replica_[shard.where.replica].push_back(i);
      const auto end = std::min(shard.run.first + shard.run.count, s.microbatches);
      for (auto m = shard.run.first; m < end; ++m)
        by_microbatch_[m].push_back(i);
    }
  }

  void name(waiting_actor& a) {
    std::vector<wait> out;
    for (const wait& w : std::exchange(a.waits, {})) {
      if (w.from)
        out.push_back(w);
      else if (out.size() < waits_of_actor_max)
        add(out, a.who, w);
    }
    a.waits = joined(std::move(out), waits_of_actor_max);
  }

private:
  void add(std::vector<wait>& out, const address& who, const wait& w) {
    switch (w.what) {
    case wait_kind::sum:
      return add_owner(out, w, w.island, &wait_sources::owners::aggregators);
    case wait_kind::commit:
    case wait_kind::parameters:
    case wait_kind::state:
      return add_owner(out, w, w.island, &wait_sources::owners::holders);
    case wait_kind::outer_parameters:
      return add_owner(out, w, 0, &wait_sources::owners::holders);
    case wait_kind::update:
      return add_worker(out, w, [&](const auto& s) { return (*s.own_blocks)[block_of(w)]; });
    case wait_kind::report:
      if (s_.workers > 0) return add_worker(out, w, [](const auto& s) { return s.computes_loss; });
      return add_shards(
          out, w, 0, [](const auto& s) { return s.computes_loss ? s.where : nobody; });
    case wait_kind::gradient:
      return add_gradient(out, who, w);
    case wait_kind::residual:
      return add_residual(out, w);
    default:
      out.push_back(w);
    }
  }

  static std::size_t block_of(const wait& w) {
    return static_cast<std::size_t>(std::max(w.block, 0));
  }

  void add_owner(std::vector<wait>& out,
                 wait w,
                 std::uint32_t island,
                 std::vector<address> wait_sources::owners::*list) const {
    if (island < s_.of_island.size())
      if (const auto& owners = s_.of_island[island].*list; block_of(w) < owners.size())
        w.from = owners[block_of(w)];
    out.push_back(w);
  }

  // A step of an asynchronous job is one worker's.
  template <class Has>
  void add_worker(std::vector<wait>& out, wait w, const Has& has) {
    for (const auto i : by_replica_[static_cast<std::uint32_t>(w.step % s_.workers)]) {
      if (!has(s_.shards[i])) continue;
      w.from = s_.shards[i].where;
      out.push_back(w);
    }
  }

  // Those that compute these microbatches, counted from `first` of the batch on; `by`: who says it,
  // or nobody.
  template <class By>
  void add_shards(std::vector<wait>& out, const wait& w, std::uint32_t first, const By& by) const {
    wait each = w;
    each.microbatches = 1;
    each.guessed = s_.dealt;
    const auto end = std::min(first + w.microbatch + w.microbatches, s_.microbatches);
    for (auto m = first + w.microbatch; m < end && out.size() < waits_of_actor_max; ++m)
      for (const auto i : by_microbatch_[m]) {
        const address from = by(s_.shards[i]);
        if (from == nobody) continue;
        each.microbatch = m - first;
        each.from = from;
        out.push_back(each);
      }
  }

  // Of a group's aggregator the members' gradients; of a root those, or the sums of groups.
  void add_gradient(std::vector<wait>& out, const address& who, const wait& w) const {
    const bool outer = who.slice == 0 && s_.of_island.size() > 1;
    if (outer) {
      for (auto m = w.microbatch; m < w.microbatch + w.microbatches; ++m) {
        wait each = w;
        each.microbatch = m;
        each.microbatches = 1;
        add_owner(out, each, m + 1, &wait_sources::owners::holders);
      }
      return;
    }
    const auto first = who.slice > 0 ? (who.slice - 1U) * s_.microbatches_of_island : 0U;
    add_shards(out, w, first, [&](const wait_sources::shard& s) {
      if (!(*s.own_blocks)[block_of(w)]) return nobody;
      if (who.stage > 0) return s.group == who.stage ? s.where : nobody;
      if (s.group == 0) return s.where;
      address group = who;
      group.stage = static_cast<std::uint16_t>(s.group);
      return group;
    });
  }

  // Of an island's deltas its holder has them, else the keepers of the layer shards.
  void add_residual(std::vector<wait>& out, const wait& w) const {
    if (s_.of_island.size() > 1)
      return add_owner(out, w, w.microbatch + 1, &wait_sources::owners::holders);
    add_shards(out, w, 0, [&](const wait_sources::shard& s) {
      address keeper = s.where;
      keeper.role = role_kind::residual_keeper;
      return (*s.own_blocks)[block_of(w)] ? keeper : nobody;
    });
  }

  static constexpr address nobody{.role = role_kind::supervisor, .replica = ~0U};

  const wait_sources& s_;
  std::map<std::uint32_t, std::vector<std::size_t>> by_replica_;
  std::vector<std::vector<std::size_t>> by_microbatch_;
};

} // namespace

void name_sources(wait_graph& g, const wait_sources& sources) {
  namer names(sources);
  for (auto& a : g.actors)
    names.name(a);
}

} // namespace troupe
