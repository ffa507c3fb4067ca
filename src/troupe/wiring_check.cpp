// What keeps a wiring from running, in the order in which a reader would look. A mistake is told
// once: what cannot be judged because of an earlier one is left out.
#include "ops/parameter_layout.hpp"
#include "troupe/dealing.hpp"
#include "troupe/devices.hpp"
#include "troupe/model_parts.hpp"
#include "troupe/wiring.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>

namespace troupe {

namespace {

constexpr std::size_t mistakes_max = 20;
constexpr int node_max = 999'999;
constexpr int group_max = 65535;
constexpr std::int64_t block_bytes_least = chunk_elements * sizeof(float);

std::string range_text(const microbatch_range& m) {
  if (m.count == 1) return fmt::format("microbatch {}", m.first);
  return fmt::format("microbatches {} to {}", m.first, std::uint64_t{m.first} + m.count - 1);
}

std::string names_of(const std::vector<const wired_role*>& roles) {
  std::string out;
  for (const auto* role : roles)
    out += (out.empty() ? "" : ", ") + role->where.text();
  return out;
}

bool has(const std::vector<int>& list, int number) {
  return std::find(list.begin(), list.end(), number) != list.end();
}

class wiring_check {
public:
  explicit wiring_check(const wiring& w)
      : wiring_(w), parts_(std::max<int>(1, static_cast<int>(w.parts.size()))) {
    for (const auto& role : w.roles) {
      ++times_[role.where];
      by_kind_[role.where.role].push_back(&role);
      if (role.where.role == role_kind::layer_shard) replicas_[role.where.replica].push_back(&role);
    }
    for (auto& [replica, shards] : replicas_)
      std::ranges::stable_sort(shards, {}, &wired_role::where);
  }

  std::vector<error_text> mistakes() {
    out_ = mistakes_of(wiring_.job);
    const bool job_runs = out_.empty();
    check_addresses();
    check_who_is_there();
    check_part_numbers();
    check_groups();
    for (const auto& told : {device_mistakes_of(wiring_), dealing_mistakes_of(wiring_)})
      for (const auto& mistake : told)
        tell(mistake);
    if (!job_runs) return std::move(out_);
    check_cut();
    check_microbatches();
    for (const auto& [replica, shards] : replicas_)
      check_replica(replica, shards);
    check_holders();
    return std::move(out_);
  }

private:
  void check_addresses() {
    for (const auto& role : wiring_.roles) {
      if (auto& times = times_[role.where]; times > 1)
        tell({.what =
                  fmt::format("{} is there {} times", role.where.text(), std::exchange(times, 1)),
              .where = role.where.text(),
              .why = "an address is played by one actor",
              .help = "remove the others, or give them numbers of their own"});
      if (role.node < 0 || role.node > node_max)
        tell({.what = fmt::format("{} is on node {}", role.where.text(), role.node),
              .where = role.where.text(),
              .help = fmt::format("use 0 to {}", node_max)});
      for (const auto& peer : role.talks_to)
        if (!times_.contains(peer)) tell_unknown_peer(role, peer.text());
    }
  }

  void tell_unknown_peer(const wired_role& role, const std::string& peer) {
    if (out_.size() == mistakes_max) return;
    std::vector<std::string> known;
    for (const auto& other : wiring_.roles)
      known.push_back(other.where.text());
    const auto near = did_you_mean(peer, known.data(), known.data() + known.size());
    tell({.what = fmt::format("{} talks to {}, which nobody plays", role.where.text(), peer),
          .where = role.where.text(),
          .help = near.empty() ? fmt::format("remove {} from its talks_to", peer)
                               : fmt::format("did you mean '{}'?", near)});
  }

  void check_who_is_there() {
    for (const auto kind : {role_kind::director,
                            role_kind::supervisor,
                            role_kind::recorder,
                            role_kind::checkpointer}) {
      const address only{.role = kind};
      if (!times_.contains(only))
        tell({.what = fmt::format("the wiring has no {}", role_text(kind)),
              .where = wiring_.name,
              .help = fmt::format("add a role {} on node 0", only.text())});
      for (const auto* other : by_kind_[kind])
        if (other->where != only)
          tell({.what = fmt::format("{} is one too many", other->where.text()),
                .where = other->where.text(),
                .why = fmt::format("a wiring has one {}", role_text(kind)),
                .help = fmt::format("leave {} alone", only.text())});
    }
    if (replicas_.empty())
      tell({.what = "the wiring has no layer shard",
            .where = wiring_.name,
            .why = "nobody computes the model",
            .help = "add a role layer_shard/0/0"});
    check_who_holds();
    if (wiring_.order.as_they_come()) {
      if (!by_kind_[role_kind::gradient_aggregator].empty())
        tell({.what = "an asynchronous wiring has a gradient aggregator",
              .where = by_kind_[role_kind::gradient_aggregator].front()->where.text(),
              .why = "each worker's gradients go to the holders as they are",
              .help = "remove it"});
      return;
    }
    for (int island = 0; std::cmp_less_equal(island, wiring_.job.outer.islands); ++island)
      check_aggregators(island);
  }

  // The n-th of them adds for the n-th holder; of each island apart, and of the outer parameters.
  void check_aggregators(int island) {
    const auto holders = holders_of(wiring_, island).size();
    const auto aggregators = roots_of(wiring_, island).size();
    const address aggregator{.role = role_kind::gradient_aggregator,
                             .slice = static_cast<std::uint16_t>(island)};
    const auto place =
        island == 0 ? wiring_.name : fmt::format("{}, island {}", wiring_.name, island);
    const std::string whose = island == 0 ? "the wiring" : fmt::format("island {}", island);
    if (aggregators == 0)
      tell({.what = fmt::format("{} has no gradient aggregator", whose),
            .where = place,
            .help = fmt::format("add a role {}", aggregator.text())});
    if (holders > 0 && aggregators > 0 && holders != aggregators)
      tell({.what = fmt::format(
                "{} gradient aggregators do not fit {} parameter holders", aggregators, holders),
            .where = place,
            .why = "the n-th holder takes what the n-th aggregator sums",
            .help = aggregators < holders
                        ? fmt::format("add {} more of gradient_aggregator", holders - aggregators)
                        : fmt::format("add {} more of parameter_holder", aggregators - holders)});
  }

  // Those of each island, and of all or of the outer parameters; none for anybody else.
  void check_who_holds() {
    const auto islands = wiring_.job.outer.islands;
    for (int island = 0; std::cmp_less_equal(island, islands); ++island) {
      const address holder{.role = role_kind::parameter_holder,
                           .slice = static_cast<std::uint16_t>(island)};
      if (holders_of(wiring_, island).empty())
        tell({.what = island == 0 ? "the wiring has no parameter holder"
                                  : fmt::format("island {} has no parameter holder", island),
              .where = wiring_.name,
              .help = fmt::format("add a role {}", holder.text())});
    }
    for (const auto kind : {role_kind::parameter_holder, role_kind::gradient_aggregator})
      for (const auto* role : by_kind_[kind]) {
        const auto& where = role->where;
        if (where.slice <= islands) continue;
        tell({.what = fmt::format("{} is of island {}", where.text(), where.slice),
              .where = where.text(),
              .why = islands == 0 ? "the job has no islands"
                                  : fmt::format("the job has islands 1 to {}", islands),
              .help = "give it another number, or remove it"});
      }
    for (auto& mistake : copy_mistakes_of(wiring_))
      tell(std::move(mistake));
  }

  void check_part_numbers() {
    for (const auto& role : wiring_.roles)
      for (const int p : std::set<int>(role.parts.begin(), role.parts.end()))
        if (p < 0 || p >= parts_)
          tell({.what = fmt::format("{} names part {}, which is not there", role.where.text(), p),
                .where = role.where.text(),
                .why = parts_ == 1 ? "the model is one part, 0"
                                   : fmt::format("the model is cut into parts 0 to {}", parts_ - 1),
                .help = "change the part, or the cut"});
  }

  // Each group that a layer shard is of has an aggregator for each root, and each of these a root.
  void check_groups() {
    std::map<std::pair<int, int>, const wired_role*> groups; // by island; with one of its shards
    for (const auto& [replica, shards] : replicas_)
      for (const auto* shard : shards) {
        if (shard->group < 0 || shard->group > group_max)
          tell({.what = fmt::format("{} is of group {}", shard->where.text(), shard->group),
                .where = shard->where.text(),
                .help = fmt::format("use 1 to {}, or 0 for none", group_max)});
        else if (shard->group != shards.front()->group)
          tell({.what =
                    fmt::format("the layer shards of replica {} are of different groups", replica),
                .where = shard->where.text(),
                .why = fmt::format("it is of group {}, {} of group {}",
                                   shard->group,
                                   shards.front()->where.text(),
                                   shards.front()->group),
                .help = "give all of them the same group"});
        else if (shard->group > 0)
          groups.try_emplace({wiring_.island_of(shard->microbatches), shard->group}, shard);
      }
    if (wiring_.order.as_they_come()) {
      if (!groups.empty())
        tell({.what = "an asynchronous wiring has a group",
              .where = groups.begin()->second->where.text(),
              .why = "each worker's gradients go to the holders as they are",
              .help = "make it 0"});
      return;
    }
    std::map<int, std::vector<address>> roots; // by island
    for (const auto& [group, shard] : groups) {
      auto& of_island = roots[group.first];
      if (of_island.empty()) of_island = roots_of(wiring_, group.first);
      for (auto wanted : of_island) {
        wanted.stage = static_cast<std::uint16_t>(group.second);
        if (times_.contains(wanted)) continue;
        tell({.what = fmt::format("group {} has no {}", group.second, wanted.text()),
              .where = shard->where.text(),
              .why = "the gradients of a group are added up by one aggregator for each "
                     "gradient_aggregator/h",
              .help = fmt::format("add a role {}, or give the layer shard another group",
                                  wanted.text())});
      }
    }
    for (const auto* role : by_kind_[role_kind::gradient_aggregator]) {
      auto root = role->where;
      root.stage = 0;
      if (!times_.contains(root))
        tell({.what = fmt::format(
                  "{} adds for {}, which nobody plays", role->where.text(), root.text()),
              .where = role->where.text(),
              .help = fmt::format("add a role {}, or remove this one", root.text())});
    }
  }

  // Without a cut nobody counts pieces.
  void check_cut() {
    if (wiring_.block_bytes_min < 0)
      tell({.what = fmt::format("{} bytes are no size of a block", wiring_.block_bytes_min),
            .where = "block_bytes_min",
            .help = "use 0, or more"});
    if (wiring_.block_bytes_max != 0 && wiring_.block_bytes_max < block_bytes_least)
      tell({.what = fmt::format("{} bytes are no size of a block", wiring_.block_bytes_max),
            .where = "block_bytes_max",
            .why = fmt::format("layers are cut at multiples of {} bytes", block_bytes_least),
            .help = fmt::format("use 0, or at least {}", block_bytes_least)});
    if (parts_ < 2) return;
    const auto pieces = pieces_of(wiring_.job);
    const auto all = static_cast<std::int64_t>(pieces.size());
    std::int64_t sum = 0;
    std::vector<std::string> counts;
    bool positive = true;
    for (std::size_t p = 0; p < wiring_.parts.size(); ++p) {
      const int count = wiring_.parts[p].pieces;
      counts.push_back(std::to_string(count));
      sum += count;
      if (count < 1)
        tell({.what = fmt::format("part {} of the model has {} pieces", p, count),
              .where = fmt::format("part {}", p),
              .help = "give it 1 or more"});
      positive = positive && count > 0;
    }
    const auto last = wiring_.parts.back().pieces + all - sum;
    if (positive && sum != all)
      tell({.what = fmt::format("the cut has {} pieces, the model has {}", sum, all),
            .where = fmt::format("{} parts", parts_),
            .why = fmt::format("{} = {}", fmt::join(counts, " + "), sum),
            .help = last > 0 ? fmt::format("give the last part {} pieces", last)
                             : fmt::format("cut the model into {} parts or fewer", all)});
    if (!positive || sum != all) return;
    std::size_t at = 0;
    for (const auto& part : wiring_.parts) {
      std::int64_t elements = 0;
      for (int i = 0; i < part.pieces; ++i)
        elements += pieces[at++].elements;
      has_parameters_.push_back(elements > 0);
    }
  }

  // A worker computes all microbatches of its steps; its replica is its number.
  void check_workers() {
    for (const auto& [replica, shards] : replicas_) {
      const auto& own = shards.front()->microbatches;
      if (own.first != 0 || own.count != wiring_.job.microbatches)
        tell({.what = fmt::format("worker {} does not compute all microbatches", replica),
              .where = shards.front()->where.text(),
              .why = fmt::format("it has {}; each step is one worker's", range_text(own)),
              .help = fmt::format("give it microbatches 0 to {}", wiring_.job.microbatches - 1)});
      if (replica >= wiring_.replicas)
        tell({.what = fmt::format("there is no worker {} of {}", replica, wiring_.replicas),
              .where = shards.front()->where.text(),
              .help = fmt::format("number the workers 0 to {}", wiring_.replicas - 1)});
    }
  }

  // A compressed node of the reduction tree is summed by one replica.
  void check_compression(const microbatch_range& own, int replica) {
    if (!wiring_.job.compression || wiring_.job.outer.islands > 0) return;
    for (const tree_span& node : compressed_nodes(wiring_.job)) {
      const auto last = node.first + node.count;
      const bool outside = last <= own.first || node.first >= own.first + own.count;
      if (outside || (node.first >= own.first && last <= own.first + own.count)) continue;
      tell({.what = fmt::format("replica {} has a part of what is compressed in one", replica),
            .where = fmt::format("replica {}", replica),
            .why = fmt::format("it has {}; microbatches {} to {} are one payload",
                               range_text(own),
                               node.first,
                               last - 1),
            .help = "compress fewer microbatches in one, or give it all of them"});
      return;
    }
  }

  void check_keepers() {
    if (!wiring_.job.compression || !wiring_.job.compression->has_residual()) return;
    if (wiring_.job.outer.islands > 0) return; // their holders keep them
    for (const auto* shard : by_kind_[role_kind::layer_shard]) {
      auto keeper = shard->where;
      keeper.role = role_kind::residual_keeper;
      if (!times_.contains(keeper))
        tell({.what = fmt::format("nobody keeps the residuals of {}", shard->where.text()),
              .where = shard->where.text(),
              .why = fmt::format("codec {} has error feedback", wiring_.job.compression->text()),
              .help = fmt::format("add a role {} on its node", keeper.text())});
    }
  }

  void check_island(const microbatch_range& own, int replica) {
    const auto n = wiring_.job.island_microbatches();
    const auto last = std::uint64_t{own.first} + own.count - 1;
    if (wiring_.job.outer.islands == 0 || own.first / n == last / n) return;
    tell({.what = fmt::format("replica {} is on two islands", replica),
          .where = fmt::format("replica {}", replica),
          .why = fmt::format("it has {}; island {} has {}",
                             range_text(own),
                             own.first / n + 1,
                             range_text({own.first / n * n, n})),
          .help = "give it microbatches of one island"});
  }

  void check_microbatches() {
    check_keepers();
    if (wiring_.job.outer.islands > 0 && (wiring_.order.as_they_come() || wiring_.stash_weights))
      tell({.what = "islands are for synchronous wirings",
            .where = wiring_.name,
            .why = "an outer step is one for all, after a step that each of them has done",
            .help = "make consistency BSP and stash_weights false"});
    if (wiring_.order.as_they_come()) return check_workers();
    std::vector<std::pair<microbatch_range, int>> runs; // by replica
    for (const auto& [replica, shards] : replicas_) {
      const auto& own = shards.front()->microbatches;
      if (shards.front()->backup)
        check_backup(replica, own);
      else if (own.count == 0)
        tell({.what = fmt::format("replica {} computes no microbatch", replica),
              .where = shards.front()->where.text(),
              .help = share_text()});
      else
        runs.emplace_back(own, replica);
    }
    std::sort(runs.begin(), runs.end(), [](const auto& a, const auto& b) {
      return a.first.first < b.first.first;
    });
    std::uint64_t next = 0;
    const std::uint64_t all = wiring_.job.microbatches;
    for (const auto& [own, replica] : runs) {
      check_compression(own, replica);
      check_island(own, replica);
      if (own.first > next) tell_gap(next, own.first - next);
      if (own.first < next)
        tell({.what = fmt::format("microbatch {} is computed twice", own.first),
              .where = fmt::format("replica {}", replica),
              .why = fmt::format(
                  "it has {}; another replica has them up to {}", range_text(own), next - 1),
              .help = share_text()});
      next = std::max(next, std::uint64_t{own.first} + own.count);
    }
    if (next > all)
      tell({.what = fmt::format("there is no microbatch {}", next - 1),
            .where = "the replicas' microbatches",
            .why = fmt::format("a batch has microbatches 0 to {}", all - 1),
            .help = share_text()});
    if (next < all && (!runs.empty() || wiring_.backups() > 0)) tell_gap(next, all - next);
  }

  void check_backup(int replica, const microbatch_range& own) {
    for (const auto& [other, shards] : replicas_)
      if (!shards.front()->backup && shards.front()->microbatches == own) return;
    tell({.what = fmt::format("backup {} computes what no replica computes", replica),
          .where = fmt::format("replica {}", replica),
          .why = fmt::format("it has {}", range_text(own)),
          .help = "give it the run of one of them; whose it computes is dealt step by step"});
  }

  void tell_gap(std::uint64_t first, std::uint64_t count) {
    tell({.what = count == 1 ? fmt::format("microbatch {} is computed by nobody", first)
                             : fmt::format("microbatches {} to {} are computed by nobody",
                                           first,
                                           first + count - 1),
          .where = "the replicas' microbatches",
          .why = fmt::format("a batch has microbatches 0 to {}", wiring_.job.microbatches - 1),
          .help = share_text()});
  }

  [[nodiscard]] std::string share_text() const {
    const auto n = static_cast<std::uint32_t>(replicas_.size()) -
                   static_cast<std::uint32_t>(wiring_.backups());
    const auto m = wiring_.job.microbatches;
    if (n == 0 || m % n != 0)
      return fmt::format("give the {} replicas runs that cover 0 to {} once", n, m - 1);
    return fmt::format("equal shares: {0} microbatches each, replica r from r * {0}", m / n);
  }

  void check_replica(int replica, const std::vector<const wired_role*>& shards) {
    const address loader{.role = role_kind::data_loader,
                         .replica = static_cast<std::uint32_t>(replica)};
    const auto& own = shards.front()->microbatches;
    if (!times_.contains(loader))
      tell({.what = fmt::format("replica {} has no data loader", replica),
            .where = names_of(shards),
            .why = "its layer shards ask that of their own number",
            .help = fmt::format("add a role {}", loader.text())});
    for (const auto* shard : shards)
      if (shard->microbatches != own)
        tell({.what = fmt::format("the layer shards of replica {} compute different microbatches",
                                  replica),
              .where = shard->where.text(),
              .why = fmt::format("it has {}, {} has {}",
                                 range_text(shard->microbatches),
                                 shards.front()->where.text(),
                                 range_text(own)),
              .help = "give all of them the same run"});
      else if (shard->backup != shards.front()->backup)
        tell({.what = fmt::format("one half of replica {} is a backup", replica),
              .where = shard->where.text(),
              .why = fmt::format("{} is {}one",
                                 shards.front()->where.text(),
                                 shards.front()->backup ? "" : "not "),
              .help = "make all of its layer shards backups, or none"});
    const auto known = out_.size();
    check_cover(replica, shards);
    if (out_.size() == known && own.count > 0) check_schedule(replica, shards);
  }

  void check_cover(int replica, const std::vector<const wired_role*>& shards) {
    for (int p = 0; p < parts_; ++p) {
      std::vector<const wired_role*> owners;
      for (const auto* shard : shards)
        for (const int part : shard->parts)
          if (part == p) owners.push_back(shard);
      const auto& natural = *shards[static_cast<std::size_t>(p) % shards.size()];
      if (owners.empty())
        tell({.what = fmt::format("nobody computes part {} of replica {}", p, replica),
              .where = names_of(shards),
              .help = fmt::format("add {} to the parts of {}, and its operations to the schedule",
                                  p,
                                  natural.where.text())});
      if (owners.size() > 1)
        tell({.what = fmt::format("part {} of replica {} is computed twice", p, replica),
              .where = names_of(owners),
              .help = fmt::format("leave it to {}", natural.where.text())});
    }
  }

  // Where slices are computed side by side: plays the lists, a part after the one before it forward
  // and before it backward, until nobody can go on.
  void check_flow(int replica, const std::vector<const wired_role*>& shards) {
    std::set<std::pair<int, std::uint32_t>> forward, backward; // part, microbatch
    std::vector<std::size_t> next(shards.size(), 0);
    const auto play = [&](const schedule_op& op) {
      const auto& done = op.kind == op_kind::forward ? forward : backward;
      const int before = op.kind == op_kind::forward ? op.part - 1 : op.part + 1;
      if (op.kind == op_kind::backward_weights) return true;
      if (before >= 0 && before < parts_ && !done.contains({before, op.microbatch})) return false;
      if (op.kind != op_kind::forward && !forward.contains({op.part, op.microbatch})) return false;
      (op.kind == op_kind::forward ? forward : backward).insert({op.part, op.microbatch});
      return true;
    };
    for (bool moved = true; moved;) {
      moved = false;
      for (std::size_t s = 0; s < shards.size(); ++s)
        for (; next[s] < shards[s]->schedule.size() && play(shards[s]->schedule[next[s]]);
             ++next[s])
          moved = true;
    }
    for (std::size_t s = 0; s < shards.size(); ++s)
      if (next[s] < shards[s]->schedule.size()) {
        tell({.what = fmt::format("{} would wait for ever with {}",
                                  shards[s]->where.text(),
                                  text(shards[s]->schedule[next[s]])),
              .where = fmt::format("replica {}", replica),
              .help = "order the operations as their parts follow each other"});
        return;
      }
    const auto wanted =
        static_cast<std::size_t>(parts_) * wiring_.microbatches_most(*shards.front());
    if (forward.size() != wanted || backward.size() != wanted)
      tell({.what = fmt::format("the schedules of replica {} are not complete", replica),
            .where = fmt::format("replica {}", replica),
            .why = fmt::format("{} forward and {} backward operations; {} of each are needed",
                               forward.size(),
                               backward.size(),
                               wanted),
            .help = "give every part a forward and a backward operation for each microbatch"});
  }

  void check_schedule(int replica, const std::vector<const wired_role*>& shards) {
    for (const auto* shard : shards) {
      const auto stranger =
          std::find_if(shard->schedule.begin(), shard->schedule.end(), [&](const schedule_op& op) {
            return op.part >= 0 && op.part < parts_ && !has(shard->parts, op.part);
          });
      if (stranger != shard->schedule.end())
        tell({.what = fmt::format(
                  "the schedule of {} computes part {}", shard->where.text(), stranger->part),
              .where = shard->where.text(),
              .why = fmt::format("operation {} is {}; its parts are {}",
                                 stranger - shard->schedule.begin() + 1,
                                 text(*stranger),
                                 fmt::join(shard->parts, ", ")),
              .help = "change the operation, or the parts"});
    }
    if (spreads_slices_) return check_flow(replica, shards);
    const auto played = longest_schedule_of(wiring_, shards);
    known_good_.name = played.name;
    if (played == known_good_) return; // as a rule all replicas compute the same
    const auto mistakes = mistakes_of(played);
    if (mistakes.empty()) known_good_ = played;
    for (auto mistake : mistakes) {
      mistake.where = fmt::format("replica {}, {}", replica, mistake.where);
      tell(std::move(mistake));
    }
  }

  void check_holders() {
    for (int island = 0; std::cmp_less_equal(island, wiring_.job.outer.islands); ++island)
      check_holders(island);
  }

  void check_holders(int island) {
    std::vector<const wired_role*> holders;
    for (const auto& where : holders_of(wiring_, island))
      holders.push_back(wiring_.find(where));
    for (int p = 0; p < parts_ && !holders.empty(); ++p) {
      const auto at = static_cast<std::size_t>(p);
      if (at < has_parameters_.size() && !has_parameters_[at]) continue;
      const auto may = [&](const auto* h) { return h->parts.empty() || has(h->parts, p); };
      if (std::any_of(holders.begin(), holders.end(), may)) continue;
      tell({.what = fmt::format("no parameter holder may hold part {}", p),
            .where = names_of(holders),
            .why = "each names its parts, and none names this one",
            .help = fmt::format("add {} to the parts of {}, or leave its parts out: then it may "
                                "hold all",
                                p,
                                holders[at % holders.size()]->where.text())});
    }
  }

  void tell(error_text text) {
    if (out_.size() < mistakes_max) out_.push_back(std::move(text));
  }

  const wiring& wiring_;
  int parts_; // of the model
  const bool spreads_slices_ = wiring_.spreads_slices();
  std::unordered_map<address, int, address_hash> times_; // that it is there
  std::map<role_kind, std::vector<const wired_role*>> by_kind_;
  std::map<int, std::vector<const wired_role*>> replicas_; // layer shards, by stage
  schedule known_good_;
  std::vector<bool> has_parameters_; // by part; empty: not known
  std::vector<error_text> out_;
};

} // namespace

std::vector<error_text> mistakes_of(const wiring& w) {
  return wiring_check(w).mistakes();
}

} // namespace troupe
