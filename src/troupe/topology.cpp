#include "troupe/topology.hpp"

#include "ops/parameter_layout.hpp"
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

// Microbatches of a replica.
std::uint32_t share_of(const job& j, const hybrid_options& o) {
  return o.order.as_they_come() ? j.microbatches
                                : j.microbatches / static_cast<std::uint32_t>(o.replicas);
}

// A compressed node of the reduction tree is summed by one replica.
void check_compression(const job& j, const hybrid_options& o, std::vector<error_text>& out) {
  if (!j.compression) return;
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
  const auto share = share_of(j, o);
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
    out.push_back({.role = role, .replica = static_cast<std::uint16_t>(i)});
  return out;
}

// Fills a wiring: node r * stages + s hosts stage s of replica r.
class grid {
public:
  grid(const hybrid_options& o, const schedule& order, wiring& out)
      : options_(o),
        schedule_(order),
        out_(out),
        holders_count_(o.holders == 0 ? o.replicas * o.stages : o.holders),
        holders_(numbered(role_kind::parameter_holder, holders_count_)),
        aggregators_(
            numbered(role_kind::gradient_aggregator, o.order.as_they_come() ? 0 : holders_count_)),
        group_replicas_(o.groups == 0 ? o.replicas : o.replicas / o.groups),
        evaluators_(numbered(role_kind::evaluator, o.replicas * o.stages)) {
    for (int r = 0; r < o.replicas; ++r)
      for (int s = 0; s < o.stages; ++s)
        shards_.push_back(shard(r, s));
  }

  void fill() {
    out_.roles.push_back({address{.role = role_kind::supervisor}, {director_}});
    out_.roles.push_back({director_, together({shards_, evaluators_, {checkpointer_, recorder_}})});
    for (int r = 0; r < options_.replicas; ++r)
      add_replica(r);
    for (int g = 1; g <= options_.groups; ++g)
      add_group(g);
    for (int h = 0; h < holders_count_; ++h)
      add_holder(h);
    for (std::size_t e = 0; e < evaluators_.size(); ++e)
      out_.roles.push_back(
          {evaluators_[e], together({holders_, {director_}}), static_cast<int>(e)});
    out_.roles.push_back({checkpointer_, together({holders_, {director_}})});
    out_.roles.push_back({recorder_, {}});
  }

private:
  static address shard(int replica, int stage) {
    return {.role = role_kind::layer_shard,
            .replica = static_cast<std::uint16_t>(replica),
            .stage = static_cast<std::uint16_t>(stage)};
  }

  static address keeper(int replica, int stage) {
    auto out = shard(replica, stage);
    out.role = role_kind::residual_keeper;
    return out;
  }

  [[nodiscard]] bool keeps_residuals() const {
    return out_.job.compression && out_.job.compression->has_residual();
  }

  [[nodiscard]] std::vector<int> parts_of_stage(int stage) const {
    std::vector<int> out;
    for (int p = stage; p < schedule_.parts; p += options_.stages)
      out.push_back(p);
    return out;
  }

  void add_replica(int r) {
    const auto share = share_of(out_.job, options_);
    const auto first = options_.order.as_they_come() ? 0U : static_cast<std::uint32_t>(r) * share;
    const microbatch_range own{first, share};
    const address loader{.role = role_kind::data_loader, .replica = static_cast<std::uint16_t>(r)};
    const int last = options_.stages - 1;
    std::vector<address> read{shard(r, 0)};
    if (last > 0) read.push_back(shard(r, last)); // the targets
    out_.roles.push_back({loader, read, r * options_.stages, own});
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
      out_.roles.push_back(
          {shard(r, s),
           together(
               {peers, {director_}, own_of(aggregators_of(group_of(r)), s), own_of(holders_, s)}),
           node,
           own,
           parts_of_stage(s),
           schedule_.per_stage[static_cast<std::size_t>(s)],
           group_of(r)});
    }
  }

  // From the last stage back to the first, where a stage has several parts.
  [[nodiscard]] bool wraps(int a, int b) const {
    return options_.chunks > 1 && std::abs(a - b) == options_.stages - 1;
  }

  // With a holder per layer shard, the parameters of a stage stay on its nodes.
  [[nodiscard]] bool local() const { return holders_count_ == options_.replicas * options_.stages; }

  [[nodiscard]] std::vector<address> own_of(const std::vector<address>& all, int stage) const {
    if (!local() || all.empty()) return all;
    std::vector<address> out;
    for (int h = stage; h < holders_count_; h += options_.stages)
      out.push_back(all[static_cast<std::size_t>(h)]);
    return out;
  }

  [[nodiscard]] int group_of(int replica) const {
    return options_.groups == 0 ? 0 : replica / group_replicas_ + 1;
  }

  // Those who hear the layer shards of a group; group 0: of none.
  [[nodiscard]] std::vector<address> aggregators_of(int group) const {
    auto out = aggregators_;
    for (auto& a : out)
      a.stage = static_cast<std::uint16_t>(group);
    return out;
  }

  // On the nodes of its replicas. A stage's share stays on the stage's nodes.
  void add_group(int group) {
    const int nodes = group_replicas_ * options_.stages;
    const auto all = aggregators_of(group);
    for (int h = 0; h < holders_count_; ++h) {
      const auto i = static_cast<std::size_t>(h);
      out_.roles.push_back(
          {all[i], {aggregators_[i]}, (group - 1) * nodes + h % nodes, {}, parts_of_holder(h)});
    }
  }

  [[nodiscard]] std::vector<int> parts_of_holder(int h) const {
    const bool split = local() && options_.stages > 1;
    return split ? parts_of_stage(h % options_.stages) : std::vector<int>{};
  }

  void add_holder(int h) {
    const auto i = static_cast<std::size_t>(h);
    const int node = h % (options_.replicas * options_.stages);
    const auto parts = parts_of_holder(h);
    std::vector<address> readers = shards_;
    if (!parts.empty())
      std::erase_if(readers, [&](const address& a) { return a.stage != h % options_.stages; });
    if (!aggregators_.empty())
      out_.roles.push_back({aggregators_[i], {holders_[i]}, node, {}, parts});
    out_.roles.push_back({holders_[i],
                          together({readers, evaluators_, {director_, checkpointer_}}),
                          node,
                          {},
                          parts});
  }

  const hybrid_options& options_;
  const schedule& schedule_;
  wiring& out_;
  int holders_count_;
  std::vector<address> holders_, aggregators_;
  int group_replicas_; // replicas of a group
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
  if (o.holders < 0)
    out.push_back({.what = fmt::format("{} parameter holders cannot hold", o.holders),
                   .where = "--holders",
                   .help = "use 1 or more, or 0 for one per layer shard"});
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
  out.block_bytes_max = o.block_bytes_max;
  out.order = o.order;
  out.stash_weights = o.stash_weights && o.stages > 1;
  const int parts = o.stages * o.chunks;
  if (parts > 1) {
    const auto pieces = pieces_of(j);
    out.parts = parts_of(pieces, cut_of(o, pieces));
  } else {
    out.parts.push_back({.layers = "all layers"});
  }
  const auto share = share_of(j, o);
  // One stage: forward and backward of one microbatch after the other, under any name.
  const schedule order = out.stash_weights ? in_step(o.stages, share)
                         : o.own_schedule  ? *o.own_schedule
                         : parts == 1      ? one_f_one_b(1, share)
                                           : named_schedule(o.schedule, o.stages, parts, share);
  const int holders = o.holders == 0 ? o.replicas * o.stages : o.holders;
  out.name = name_of(o, order, holders);
  out.job = std::move(j);
  grid(o, order, out).fill();
  return o.spread_slices ? spread_slices(std::move(out)) : out;
}

wiring data_parallel(job j, const data_parallel_options& o) {
  return hybrid(std::move(j), {.replicas = o.replicas, .holders = o.holders, .groups = o.groups});
}

std::vector<error_text> mistakes_of(const job& j, const data_parallel_options& o) {
  return mistakes_of(
      j, hybrid_options{.replicas = o.replicas, .holders = o.holders, .groups = o.groups});
}

wiring parameter_server(job j, const parameter_server_options& o) {
  return hybrid(std::move(j),
                {.replicas = o.workers,
                 .stages = o.stages,
                 .holders = o.servers,
                 .schedule = o.schedule,
                 .block_bytes_max = o.block_bytes_max,
                 .order = o.order});
}

wiring pipeline(job j, const pipeline_options& o) {
  return hybrid(std::move(j),
                {.stages = o.stages,
                 .schedule = o.schedule,
                 .own_schedule = o.own_schedule,
                 .chunks = o.chunks,
                 .cut = o.cut,
                 .recompute = o.recompute,
                 .stash_weights = o.stash_weights});
}

} // namespace troupe
