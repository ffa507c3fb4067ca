#include "troupe/topology.hpp"

#include "ops/parameter_layout.hpp"
#include "troupe/dealing.hpp"
#include "troupe/model_parts.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <utility>

namespace troupe {

namespace {

std::string list_of(const std::vector<piece>& pieces) {
  std::string out;
  for (std::size_t i = 0; i < pieces.size(); ++i)
    out += fmt::format("{}{}: {}", i == 0 ? "" : ", ", i, pieces[i].name);
  return out;
}

void check_replicas(const job& j, int replicas, std::vector<error_text>& out) {
  if (replicas < 1) {
    out.push_back({.what = fmt::format("{} replicas cannot train", replicas),
                   .where = "--replicas",
                   .help = "use 1 or more"});
    return;
  }
  const auto m = j.microbatches, n = static_cast<unsigned>(replicas);
  if (m < 1 || m % n == 0) return;
  out.push_back(
      {.what = fmt::format("{} microbatches do not split into {} replicas", m, replicas),
       .where = "--microbatches, --replicas",
       .why = fmt::format("{} = {} x {} + {}; a batch of {} images has {} microbatches",
                          m,
                          replicas,
                          m / n,
                          m % n,
                          j.batch,
                          m),
       .help = fmt::format("use --microbatches {} (part of the job: it changes the order of sums), "
                           "or a number of replicas that divides {}",
                           (m / n + 1) * n,
                           m)});
}

// Replicas do not share islands, and groups lie within them. REQUIRES: 1 or more replicas.
void check_islands(const job& j, const hybrid_options& o, std::vector<error_text>& out) {
  const int islands = static_cast<int>(std::min(j.outer.islands, j.microbatches));
  if (islands == 0) return;
  if (o.order.as_they_come() || o.stash_weights) {
    out.push_back(
        {.what = "islands are for synchronous jobs",
         .where = o.stash_weights ? "--islands, --stash-weights" : "--islands, --consistency",
         .why = "an outer step is one for all, after a step that each of them has done",
         .help = o.stash_weights ? "leave one of them out" : "use --consistency bsp"});
    return;
  }
  const auto nearest = [&](int wanted) { return std::max(1, wanted / islands) * islands; };
  if (o.replicas % islands != 0)
    out.push_back({.what = fmt::format("{} replica{} cannot be on {} islands",
                                       o.replicas,
                                       o.replicas == 1 ? "" : "s",
                                       islands),
                   .where = "--replicas, --islands",
                   .why = "each island has as many replicas, for itself",
                   .help = fmt::format("use --replicas {}, with --topology hybrid for pipelines",
                                       nearest(o.replicas))});
  if (o.groups % islands != 0)
    out.push_back({.what = fmt::format("{} groups cannot be on {} islands", o.groups, islands),
                   .where = "--groups, --islands",
                   .why = "gradients are added up within islands",
                   .help = fmt::format("use --groups {}, or 0 for none", nearest(o.groups))});
}

// REQUIRES: 1 or more replicas.
void check_groups(const hybrid_options& o, std::vector<error_text>& out) {
  if (o.groups == 0) return;
  if (o.order.as_they_come()) {
    out.push_back({.what = "the gradients of workers are not added up in groups",
                   .where = "--groups, --consistency",
                   .why = "each of them is an update of its own",
                   .help = "leave --groups out, or use --consistency bsp"});
    return;
  }
  if (o.groups > 0 && o.replicas % o.groups == 0) return;
  const int wanted = std::clamp(o.groups, 1, o.replicas);
  int below = wanted, above = wanted;
  while (o.replicas % below != 0)
    --below;
  while (o.replicas % above != 0)
    ++above;
  out.push_back(
      {.what = fmt::format("{} replicas do not split into {} groups", o.replicas, o.groups),
       .where = "--replicas, --groups",
       .why = "the groups have as many replicas each",
       .help = below == above ? fmt::format("use --groups {}, or 0 for none", below)
                              : fmt::format("use --groups {} or {}, or 0 for none", below, above)});
}

void check_order(const hybrid_options& o, std::vector<error_text>& out) {
  if (o.stash_weights)
    out.push_back({.what = "stashed weights are for synchronous jobs",
                   .where = "--stash-weights",
                   .why = "a worker's pipeline reads what its servers have",
                   .help = "leave one of --stash-weights and --consistency out"});
  if (!(o.order.delay_compensation >= 0))
    out.push_back(
        {.what = fmt::format("delay compensation {} is not 0 or more", o.order.delay_compensation),
         .where = "--delay-compensation",
         .help = "use 0.04, the value of its paper"});
}

void check_dealing(const job& j, const hybrid_options& o, std::vector<error_text>& out) {
  constexpr int backups_max = 4096;
  if (o.backups < 0 || o.backups > backups_max)
    out.push_back({.what = fmt::format("{} backups cannot help", o.backups),
                   .where = "--backups",
                   .help = fmt::format("use 1 to {}, or 0 for none", backups_max)});
  for (auto& mistake : mistakes_of(dealing{.balance = o.balance_shares,
                       .backups = std::max(o.backups, 0),
                       .as_they_come = o.order.as_they_come(),
                       .stashes_weights = o.stash_weights,
                       .groups = o.groups != 0,
                       .islands = j.outer.islands > 0,
                       .keeps_residuals = j.compression && j.compression->has_residual()},
                                   o.balance_shares ? "--balance" : "--backups"))
    out.push_back(std::move(mistake));
}

// Microbatches of a replica.
std::uint32_t share_of(const job& j, const hybrid_options& o) {
  return o.order.as_they_come() ? j.microbatches
                                : j.microbatches / static_cast<std::uint32_t>(o.replicas);
}

// Those that the schedules are for.
std::uint32_t share_most(const job& j, const hybrid_options& o) {
  return o.balance_shares ? j.microbatches : share_of(j, o);
}

// A compressed node of the reduction tree is summed by one replica.
void check_compression(const job& j, const hybrid_options& o, std::vector<error_text>& out) {
  if (!j.compression || j.outer.islands > 0) return;
  if (o.order.as_they_come()) {
    if (j.compression->has_residual())
      out.push_back({.what = fmt::format("{} needs a synchronous job", j.compression->text()),
                     .where = "--compress, --consistency",
                     .why = "its error feedback follows the order of updates",
                     .help = "use fp16, bf16 or int8, or --consistency bsp"});
    return;
  }
  const auto share = share_of(j, o);
  for (const tree_span& node : compressed_nodes(j))
    if (node.first / share != (node.first + node.count - 1) / share) {
      out.push_back(
          {.what = fmt::format("replicas of {} microbatches cut what is compressed in one", share),
           .where = "--compress-microbatches, --replicas",
           .why = fmt::format(
               "microbatches {} to {} are one payload", node.first, node.first + node.count - 1),
           .help = fmt::format("use --compress-microbatches {}", std::bit_floor(share))});
      return;
    }
}

void check_cut(const hybrid_options& o,
               const std::vector<piece>& pieces,
               std::vector<error_text>& out) {
  const int parts = o.stages * o.chunks, all = static_cast<int>(pieces.size());
  if (parts > all)
    out.push_back({.what = fmt::format("the model has {} pieces for {} parts", all, parts),
                   .where = o.chunks > 1 ? "--stages, --chunks" : "--stages",
                   .why = list_of(pieces),
                   .help = fmt::format("use at most {} stages", all / o.chunks)});
  if (o.cut.empty()) return;
  std::vector<int> sorted = o.cut;
  std::sort(sorted.begin(), sorted.end());
  const bool fits = static_cast<int>(o.cut.size()) == parts - 1 && sorted == o.cut &&
                    std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end() &&
                    sorted.front() >= 1 && sorted.back() < all;
  if (!fits)
    out.push_back(
        {.what = fmt::format("the cut {} makes no {} parts", fmt::join(o.cut, ","), parts),
         .where = "--cut",
         .why = fmt::format("pieces: {}", list_of(pieces)),
         .help = fmt::format("give {} rising numbers of 1 to {}: the pieces with which the "
                             "parts after the first begin",
                             parts - 1,
                             all - 1)});
}

void check_schedule(const job& j, const hybrid_options& o, std::vector<error_text>& out) {
  const auto share = share_most(j, o);
  const int parts = o.stages * o.chunks;
  if (o.stash_weights) {
    if (o.chunks > 1)
      out.push_back({.what = "stashed weights need one part per stage",
                     .where = "--chunks, --stash-weights",
                     .help = "leave --chunks out"});
    return;
  }
  if (!o.own_schedule) {
    try {
      named_schedule(o.schedule, o.stages, parts, std::max(1U, share));
    } catch (const error& e) {
      out.push_back(e.text());
    }
    return;
  }
  const auto& s = *o.own_schedule;
  if (s.stages != o.stages || s.parts != parts || s.microbatches != share)
    out.push_back({.what = fmt::format("schedule {} does not fit the wiring", s.name),
                   .where = "--pipeline",
                   .why = fmt::format("it has {} stages, {} parts, {} microbatches; the wiring {}, "
                                      "{}, {} a replica",
                                      s.stages,
                                      s.parts,
                                      s.microbatches,
                                      o.stages,
                                      parts,
                                      share),
                   .help = "change --stages, --chunks, --microbatches or the schedule"});
  for (const auto& m : mistakes_of(s))
    out.push_back(m);
}

std::vector<int> cut_of(const hybrid_options& o, const std::vector<piece>& pieces) {
  if (!o.cut.empty()) return o.cut;
  std::vector<double> costs = o.piece_costs;
  if (costs.size() != pieces.size()) {
    costs.clear();
    for (const auto& p : pieces)
      costs.push_back(static_cast<double>(p.flops));
  }
  return balanced_cut(costs, o.stages * o.chunks);
}

std::vector<address> together(std::initializer_list<std::vector<address>> lists) {
  std::vector<address> out;
  for (const auto& list : lists)
    out.insert(out.end(), list.begin(), list.end());
  return out;
}

std::vector<address> numbered(role_kind role, int count) {
  std::vector<address> out;
  for (int i = 0; i < count; ++i)
    out.push_back({.role = role, .replica = static_cast<std::uint32_t>(i)});
  return out;
}

// Fills a wiring: node r * stages + s hosts stage s of replica r.
class grid {
public:
  grid(const hybrid_options& o, const schedule& order, wiring& out)
      : options_(o),
        schedule_(order),
        out_(out),
        group_replicas_(o.groups == 0 ? o.replicas : o.replicas / o.groups),
        evaluators_(numbered(role_kind::evaluator, o.replicas * o.stages)) {
    for (int r = 0; r < o.replicas + o.backups; ++r)
      for (int s = 0; s < o.stages; ++s)
        shards_.push_back(shard(r, s));
    const int islands = static_cast<int>(out.job.outer.islands);
    shares_.push_back(share(0, 0, o.replicas));
    for (int w = 1; w <= islands; ++w)
      shares_.push_back(share(w, (w - 1) * (o.replicas / islands), o.replicas / islands));
  }

  void fill() {
    out_.roles.push_back({address{.role = role_kind::supervisor}, {director_}});
    out_.roles.push_back({director_, together({shards_, evaluators_, {checkpointer_, recorder_}})});
    for (int r = 0; r < options_.replicas + options_.backups; ++r)
      add_replica(r);
    for (int g = 1; g <= options_.groups; ++g)
      add_group(g);
    for (const held_share& s : shares_)
      for (int h = 0; h < s.count(); ++h)
        add_holder(s, h);
    for (std::size_t e = 0; e < evaluators_.size(); ++e)
      out_.roles.push_back(
          {evaluators_[e], together({shares_[0].holders, {director_}}), static_cast<int>(e)});
    auto asked = std::vector{director_};
    for (const held_share& s : shares_)
      asked.insert(asked.end() - 1, s.holders.begin(), s.holders.end());
    out_.roles.push_back({checkpointer_, asked});
    out_.roles.push_back({recorder_, {}});
  }

private:
  // Who holds the parameters of some neighbouring replicas: of all of them, or of an island.
  struct held_share {
    int island = 0;
    int first_replica = 0, replicas = 0;
    std::vector<address> holders, aggregators;

    [[nodiscard]] int count() const { return static_cast<int>(holders.size()); }
  };

  [[nodiscard]] held_share share(int island, int first_replica, int replicas) const {
    const int count = options_.holders == 0 ? replicas * options_.stages : options_.holders;
    held_share out{island, first_replica, replicas, {}, {}};
    out.holders = numbered(role_kind::parameter_holder, count);
    if (!options_.order.as_they_come())
      out.aggregators = numbered(role_kind::gradient_aggregator, count);
    for (auto* list : {&out.holders, &out.aggregators})
      for (address& a : *list)
        a.slice = static_cast<std::uint16_t>(island);
    return out;
  }

  // That holds the parameters which a replica computes with.
  [[nodiscard]] const held_share& share_of_replica(int replica) const {
    if (shares_.size() == 1) return shares_[0];
    return shares_[1 + static_cast<std::size_t>(replica / shares_[1].replicas)];
  }

  static address shard(int replica, int stage) {
    return {.role = role_kind::layer_shard,
            .replica = static_cast<std::uint32_t>(replica),
            .stage = static_cast<std::uint16_t>(stage)};
  }

  static address keeper(int replica, int stage) {
    auto out = shard(replica, stage);
    out.role = role_kind::residual_keeper;
    return out;
  }

  // The holders of islands keep theirs.
  [[nodiscard]] bool keeps_residuals() const {
    return out_.job.compression && out_.job.compression->has_residual() && shares_.size() == 1;
  }

  [[nodiscard]] std::vector<int> parts_of_stage(int stage) const {
    std::vector<int> out;
    for (int p = stage; p < schedule_.parts; p += options_.stages)
      out.push_back(p);
    return out;
  }

  void add_replica(int r) {
    const auto share = share_of(out_.job, options_);
    const auto place = static_cast<std::uint32_t>(r % options_.replicas); // of a backup: whose run
    const auto first = options_.order.as_they_come() ? 0U : place * share;
    const microbatch_range own{first, share};
    const address loader{.role = role_kind::data_loader, .replica = static_cast<std::uint32_t>(r)};
    const int last = options_.stages - 1;
    std::vector<address> read{shard(r, 0)};
    if (last > 0) read.push_back(shard(r, last)); // the targets
    out_.roles.push_back({loader, read, r * options_.stages, own});
    const held_share& held = share_of_replica(r);
    for (int s = 0; s < options_.stages; ++s) {
      std::vector<address> peers;
      if (s == 0 || s == last) peers.push_back(loader);
      for (int other = 0; other < options_.stages; ++other)
        if (other != s && (std::abs(other - s) == 1 || wraps(s, other)))
          peers.push_back(shard(r, other));
      const int node = r * options_.stages + s;
      if (keeps_residuals()) {
        peers.push_back(keeper(r, s));
        out_.roles.push_back({keeper(r, s), {shard(r, s), checkpointer_}, node});
      }
      out_.roles.push_back({shard(r, s),
                            together({peers,
                                      {director_},
                                      own_of(held, aggregators_of(held, group_of(r)), s),
                                      own_of(held, held.holders, s)}),
                            node,
                            own,
                            parts_of_stage(s),
                            schedule_.per_stage[static_cast<std::size_t>(s)],
                            group_of(r),
                            r >= options_.replicas});
    }
  }

  // From the last stage back to the first, where a stage has several parts.
  [[nodiscard]] bool wraps(int a, int b) const {
    return options_.chunks > 1 && std::abs(a - b) == options_.stages - 1;
  }

  // With a holder per layer shard, the parameters of a stage stay on its nodes.
  [[nodiscard]] bool local(const held_share& held) const {
    return held.count() == held.replicas * options_.stages;
  }

  [[nodiscard]] std::vector<address>
  own_of(const held_share& held, const std::vector<address>& all, int stage) const {
    if (!local(held) || all.empty()) return all;
    std::vector<address> out;
    for (int h = stage; h < held.count(); h += options_.stages)
      out.push_back(all[static_cast<std::size_t>(h)]);
    return out;
  }

  [[nodiscard]] int group_of(int replica) const {
    return options_.groups == 0 ? 0 : replica / group_replicas_ + 1;
  }

  // Those who hear the layer shards of a group; group 0: of none.
  static std::vector<address> aggregators_of(const held_share& held, int group) {
    auto out = held.aggregators;
    for (auto& a : out)
      a.stage = static_cast<std::uint16_t>(group);
    return out;
  }

  // On the nodes of its replicas. A stage's share stays on the stage's nodes.
  void add_group(int group) {
    const int nodes = group_replicas_ * options_.stages;
    const held_share& held = share_of_replica((group - 1) * group_replicas_);
    const auto all = aggregators_of(held, group);
    for (int h = 0; h < held.count(); ++h) {
      const auto i = static_cast<std::size_t>(h);
      out_.roles.push_back({all[i],
                            {held.aggregators[i]},
                            (group - 1) * nodes + h % nodes,
                            {},
                            parts_of_holder(held, h)});
    }
  }

  [[nodiscard]] std::vector<int> parts_of_holder(const held_share& held, int h) const {
    const bool split = local(held) && options_.stages > 1;
    return split ? parts_of_stage(h % options_.stages) : std::vector<int>{};
  }

  // Layer shards; of outer parameters, the holders of the islands. Of the parts that it may hold.
  [[nodiscard]] std::vector<address> readers_of(const held_share& held, int h) const {
    std::vector<address> out;
    const bool split = !parts_of_holder(held, h).empty();
    const int stage = h % options_.stages;
    for (std::size_t w = 1; held.island == 0 && w < shares_.size(); ++w)
      out = together(
          {out, split ? own_of(shares_[w], shares_[w].holders, stage) : shares_[w].holders});
    if (!out.empty()) return out;
    for (int r = held.first_replica; r < held.first_replica + held.replicas; ++r)
      for (int s = 0; s < options_.stages; ++s)
        if (!split || s == stage) out.push_back(shard(r, s));
    return out;
  }

  void add_holder(const held_share& held, int h) {
    const auto i = static_cast<std::size_t>(h);
    const int node = held.first_replica * options_.stages + h % (held.replicas * options_.stages);
    const auto parts = parts_of_holder(held, h);
    if (!held.aggregators.empty())
      out_.roles.push_back({held.aggregators[i], {held.holders[i]}, node, {}, parts});
    auto peers = readers_of(held, h);
    if (held.island > 0) {
      const held_share& outer = shares_[0];
      const bool split = !parts.empty() && local(outer);
      peers = together(
          {peers,
           split ? own_of(outer, outer.aggregators, h % options_.stages) : outer.aggregators,
           {director_, checkpointer_}});
    } else if (shares_.size() > 1) {
      peers = together({peers, evaluators_, {checkpointer_}});
    } else {
      peers = together({peers, evaluators_, {director_, checkpointer_}});
    }
    out_.roles.push_back({held.holders[i], peers, node, {}, parts});
  }

  const hybrid_options& options_;
  const schedule& schedule_;
  wiring& out_;
  std::vector<held_share> shares_; // the first for all, others for an island each
  int group_replicas_;             // replicas of a group
  std::vector<address> evaluators_, shards_;
  address director_{.role = role_kind::director}, recorder_{.role = role_kind::recorder},
      checkpointer_{.role = role_kind::checkpointer};
};

// What a stage does in one step where steps overlap: the order within the step does not matter.
schedule in_step(int stages, std::uint32_t microbatches) {
  schedule out{"stashed", stages, stages, microbatches, {}};
  for (int s = 0; s < stages; ++s) {
    auto& ops = out.per_stage.emplace_back();
    for (std::uint32_t m = 0; m < microbatches; ++m)
      for (const auto kind : {op_kind::forward, op_kind::backward})
        ops.push_back({kind, s, m});
  }
  return out;
}

std::string counted(int n, const char* what) {
  return fmt::format("{} {}{}", n, what, n == 1 ? "" : "s");
}

std::string name_of(const hybrid_options& o, const schedule& order, int holders) {
  const auto stages = counted(o.stages, "stage");
  if (o.order.as_they_come())
    return fmt::format("parameter_server({}{}, {}, {})",
                       counted(o.replicas, "worker"),
                       o.stages == 1 ? "" : " of " + stages,
                       counted(holders, "server"),
                       text(o.order));
  auto held = counted(holders, "parameter holder");
  if (o.groups > 0) held += ", " + counted(o.groups, "group");
  if (o.backups > 0) held += ", " + counted(o.backups, "backup");
  if (o.balance_shares) held += ", balanced";
  if (o.stages == 1)
    return fmt::format("data_parallel({}, {})", counted(o.replicas, "replica"), held);
  return fmt::format("{}({}{}, {}, {})",
                     o.replicas == 1 ? "pipeline" : "hybrid",
                     o.replicas == 1 ? "" : counted(o.replicas, "replica") + ", ",
                     stages,
                     order.name,
                     held);
}

} // namespace

std::vector<error_text> mistakes_of(const job& j, const hybrid_options& o) {
  auto out = mistakes_of(j);
  if (o.order.as_they_come() && o.replicas >= 1)
    check_order(o, out);
  else
    check_replicas(j, o.replicas, out);
  if (o.replicas >= 1) check_groups(o, out);
  if (o.replicas >= 1) check_islands(j, o, out);
  check_dealing(j, o, out);
  if (o.holders < 0)
    out.push_back({.what = fmt::format("{} parameter holders cannot hold", o.holders),
                   .where = "--holders",
                   .help = "use 1 or more, or 0 for one per layer shard"});
  if (o.holder_copies < 1 || o.holder_copies > 16)
    out.push_back({.what = fmt::format("{} copies of each holder are no choice", o.holder_copies),
                   .where = "--holder-copies",
                   .help = "use 2 or 3, at most 16; 1: none but itself"});
  if (o.block_bytes_min < 0)
    out.push_back({.what = fmt::format("layers are not merged up to {} bytes", o.block_bytes_min),
                   .where = "--merge-layers",
                   .help = "use 0 to merge none, or more"});
  constexpr std::int64_t least = chunk_elements * sizeof(float);
  if (o.block_bytes_max != 0 && o.block_bytes_max < least)
    out.push_back({.what = fmt::format("layers are not split at {} bytes", o.block_bytes_max),
                   .where = "--split-layers",
                   .why = fmt::format("they are cut at multiples of {} bytes", least),
                   .help = fmt::format("use {} or more, or 0 to split none", least)});
  if (o.stages < 1 || o.chunks < 1)
    out.push_back(
        {.what = fmt::format("{} stages of {} parts each compute nothing", o.stages, o.chunks),
         .where = "--stages, --chunks",
         .help = "use 1 or more"});
  const bool whole = o.stages * o.chunks == 1 && o.cut.empty() && !o.own_schedule;
  if (o.spread_slices && (j.slices.empty() || o.stash_weights))
    out.push_back(
        {.what = j.slices.empty() ? "no layer is sliced" : "stashed weights need whole stages",
         .where = "--spread-slices",
         .help = j.slices.empty() ? "add --slice LAYER:N" : "leave --stash-weights out"});
  if (out.empty()) check_compression(j, o, out);
  if (!out.empty() || whole) return out;
  check_cut(o, pieces_of(j), out);
  check_schedule(j, o, out);
  return out;
}

wiring hybrid(job j, const hybrid_options& o) {
  if (const auto wrong = mistakes_of(j, o); !wrong.empty()) throw joined(wrong);
  wiring out;
  out.replicas = o.replicas;
  out.stages = o.stages;
  out.recompute = o.recompute;
  out.block_bytes_min = o.block_bytes_min;
  out.block_bytes_max = o.block_bytes_max;
  out.order = o.order;
  out.stash_weights = o.stash_weights && o.stages > 1;
  out.balance_shares = o.balance_shares;
  const int parts = o.stages * o.chunks;
  if (parts > 1) {
    const auto pieces = pieces_of(j);
    out.parts = parts_of(pieces, cut_of(o, pieces));
  } else {
    out.parts.push_back({.layers = "all layers"});
  }
  const auto share = share_most(j, o);
  // One stage: forward and backward of one microbatch after the other, under any name.
  const schedule order = out.stash_weights ? in_step(o.stages, share)
                         : o.own_schedule  ? *o.own_schedule
                         : parts == 1      ? one_f_one_b(1, share)
                                           : named_schedule(o.schedule, o.stages, parts, share);
  const int holders = o.holders == 0 ? o.replicas * o.stages : o.holders;
  out.name = name_of(o, order, holders);
  if (j.outer.islands > 0)
    out.name.insert(out.name.size() - 1,
                    ", " + counted(static_cast<int>(j.outer.islands), "island"));
  out.job = std::move(j);
  grid(o, order, out).fill();
  if (o.spread_slices) out = spread_slices(std::move(out));
  return copy_holders(std::move(out), o.holder_copies);
}

} // namespace troupe
