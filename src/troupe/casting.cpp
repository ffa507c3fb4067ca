#include "troupe/casting.hpp"

#include "actors/checkpointer.hpp"
#include "actors/data_loader.hpp"
#include "actors/director.hpp"
#include "actors/evaluator.hpp"
#include "actors/gradient_aggregator.hpp"
#include "actors/layer_shard.hpp"
#include "actors/parameter_holder.hpp"
#include "actors/pool.hpp"
#include "actors/residual_keeper.hpp"
#include "actors/supervisor.hpp"
#include "ops/assert.hpp"
#include "troupe/dealing.hpp"
#include "troupe/default_supervision.hpp"
#include "troupe/dials.hpp"

#include <algorithm>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <tuple>
#include <utility>

namespace troupe {

// Permission runs so far ahead of the last commit that no shard waits for it.
std::uint64_t steps_ahead_of(const wiring& w) {
  constexpr std::uint64_t far = std::uint64_t{1} << 40U;
  if (w.order.as_they_come()) return far;
  if (w.job.outer.islands > 0) return 2 + w.job.outer.every; // nobody waits within a round
  return 2 + (w.stash_weights ? static_cast<std::uint64_t>(w.stages) : 0);
}

struct casting::impl {
  std::shared_ptr<const wiring> kept;
  std::shared_ptr<const parameter_layout> layout;
  checkpoint start; // may change while nobody makes a role
  run_options options;
  recorder_options recording;
  int kernel_threads;
  stand_ins instead;

  const wiring& wired = *kept;
  mutable std::shared_mutex making{};
  graph compiled = graph_of(wired.job);
  std::shared_ptr<const loss> criterion = std::make_shared<const loss>(wired.job.loss);
  std::map<kernel_plan, std::shared_ptr<pool<shard_kernels>>> kernels;
  std::vector<crossing> crossings;

  struct part_facts {
    bool reads_input = false, computes_loss = false;
    std::vector<bool> own_blocks;
  };

  std::map<int, part_facts> facts;                                  // by part
  std::map<std::string, std::shared_ptr<pool<program>>> evaluation; // by device

  address director_address = wired.of(role_kind::director).front();
  std::vector<address> shards = wired.of(role_kind::layer_shard);
  std::vector<address> evaluators = wired.of(role_kind::evaluator);
  std::map<address, std::uint32_t> part_of_evaluator;
  std::vector<address> holders = holders_of(wired);
  std::vector<address> heads = wired.of(role_kind::parameter_holder); // of islands, too
  std::map<std::uint32_t, std::vector<address>> shard_of_part;        // by replica

  // Layer shards that differ in nothing but their replica have their options together.
  using shard_kind =
      std::tuple<int, int, std::uint32_t, std::vector<int>, std::vector<schedule_op>, std::string>;

  std::map<shard_kind, std::shared_ptr<const layer_shard_plan>> shard_plans;
  std::map<int, std::vector<tree_span>> group_sums = sums_of_groups(wired);
  std::vector<tree_span> compressed; // nodes of the reduction tree; empty: none
  bool dealt = wired.deals_shares();
  pixel_transform evaluated_pixels = pixel_transform_of(*wired.job.data.train, wired.job.augment);
  std::shared_ptr<const parameter_layout> outer_layout; // statistics become a mean at once

  // Who holds and who adds each block; without islands, or of the outer parameters, and of each
  // island.
  struct block_owners {
    std::vector<address> holders, aggregators; // by block
  };

  std::vector<block_owners> owners;
  std::vector<std::shared_ptr<const block_codec>> codecs; // by block; empty: none

  void prepare(const std::function<bool(const address&)>& plays);
  void prepare_evaluation();
  void prepare_kernels(const std::function<bool(const address&)>& plays);
  void look_up_once();
  [[nodiscard]] std::unique_ptr<role> play(const wired_role& where, context& c) const;
  [[nodiscard]] block_owners owners_of(int island, const std::vector<int>& part_of_block) const;
  [[nodiscard]] std::shared_ptr<pool<shard_kernels>> kernels_for(const kernel_plan& plan) const;
  void note_facts(int part, const program& compiled_part);

  // While training goes on; 0: never.
  [[nodiscard]] std::uint64_t save_every() const {
    if (options.checkpoint_folder.empty() || wired.order.as_they_come()) return 0;
    return static_cast<std::uint64_t>(options.checkpoint_every > 0 ? options.checkpoint_every
                                                                   : wired.job.steps_per_epoch());
  }

  [[nodiscard]] int blocks() const { return static_cast<int>(layout->blocks.size()); }

  [[nodiscard]] director_options director_here() const;
  [[nodiscard]] checkpointer_options checkpointer_here() const;
  [[nodiscard]] data_loader_options data_loader_here() const;
  [[nodiscard]] shard_kind kind_of(const wired_role& shard) const;
  [[nodiscard]] layer_shard_options layer_shard_of(const wired_role& where) const;
  [[nodiscard]] layer_shard_place place_of(const wired_role& shard) const;
  [[nodiscard]] gradient_aggregator_options gradient_aggregator_at(const address& where) const;
  [[nodiscard]] parameter_holder_options parameter_holder_at(address where) const;
  void take_part_in_islands(parameter_holder_options& holder) const;
  [[nodiscard]] held_block held_at(std::size_t island, std::size_t block) const;
  [[nodiscard]] std::vector<std::vector<address>> readers_of(const address& holder) const;
  [[nodiscard]] residual_keeper_options residual_keeper_at(const address& where) const;
  [[nodiscard]] evaluator_options evaluator_at(const address& where) const;
};

// What many roles ask for, and what is searched for in the whole wiring.
void casting::impl::look_up_once() {
  std::erase_if(heads, [](const address& holder) { return holder.stage != 0; });
  for (std::size_t e = 0; e < evaluators.size(); ++e)
    part_of_evaluator[evaluators[e]] = static_cast<std::uint32_t>(e);
  for (const auto& role : wired.roles) {
    if (role.where.role != role_kind::layer_shard) continue;
    auto& shards_of_replica = shard_of_part[role.where.replica];
    for (const int p : role.parts) {
      const auto at = static_cast<std::size_t>(p);
      shards_of_replica.resize(std::max(shards_of_replica.size(), at + 1));
      shards_of_replica[at] = role.where;
    }
  }
  if (wired.job.compression) compressed = compressed_nodes(wired.job);
}

void casting::impl::prepare_evaluation() {
  for (const auto& role : wired.roles) {
    if (role.where.role != role_kind::evaluator) continue;
    if (evaluation.contains(role.device)) continue;
    evaluation[role.device] = std::make_shared<pool<program>>(
        [g = compiled, layout = layout, how = instead.compile, device = role.device] {
          return (how ? how : compiler_for(device))(
              g, {.microbatch = evaluation_batch, .training = false, .layout = layout.get()});
        });
  }
}

// What is known of a part on another node's device is what a program for the CPU knows.
void casting::impl::prepare_kernels(const std::function<bool(const address&)>& plays) {
  std::map<kernel_plan, std::vector<std::shared_ptr<shard_kernels>>> warm;
  for (const auto& role : wired.roles) {
    if (role.where.role != role_kind::layer_shard) continue;
    const auto plan = kernel_plan_of(wired, role);
    auto& lent = kernels[plan];
    if (!lent) lent = kernels_for(plan);
    if (!plan.device.empty() && plays && !plays(role.where)) {
      if (std::all_of(
              role.parts.begin(), role.parts.end(), [&](int p) { return facts.contains(p); }))
        continue;
      for (const auto& p : troupe::compiled(compiled, plan, compile_options_of(wired), compile_cpu))
        note_facts(p.index, *p.in_flight.front());
      continue;
    }
    auto& taken = warm[plan];
    if (std::ssize(taken) >= std::max(kernel_threads, 1)) continue; // no more compute at once
    taken.push_back(lent->take());
    for (const auto& p : taken.back()->parts())
      note_facts(p.index, *p.in_flight.front());
  }
}

void casting::impl::prepare(const std::function<bool(const address&)>& plays) {
  look_up_once();
  prepare_evaluation();
  if (wired.job.compression)
    for (int b = 0; b < blocks(); ++b)
      codecs.push_back(std::make_shared<const block_codec>(wired.job.compression, *layout, b));
  prepare_kernels(plays);
  std::vector<int> part_of_block(static_cast<std::size_t>(blocks()), 0);
  for (const auto& [part, f] : facts)
    for (std::size_t b = 0; b < part_of_block.size(); ++b)
      if (f.own_blocks[b]) part_of_block[b] = part;
  for (int island = 0; std::cmp_less_equal(island, wired.job.outer.islands); ++island)
    owners.push_back(owners_of(island, part_of_block));
  for (const auto& role : wired.roles)
    if (role.where.role == role_kind::layer_shard)
      if (auto& plan = shard_plans[kind_of(role)]; !plan)
        plan = std::make_shared<const layer_shard_plan>(layer_shard_of(role));
  auto followed = *layout;
  for (auto& spec : followed.specs)
    if (spec.kind == parameter_kind::statistic) spec.momentum = 1;
  outer_layout = std::make_shared<const parameter_layout>(std::move(followed));
}

casting::impl::block_owners casting::impl::owners_of(int island,
                                                     const std::vector<int>& part_of_block) const {
  const auto aggregators = roots_of(wired, island);
  std::vector<wired_role> holding;
  for (const address& h : holders_of(wired, island))
    holding.push_back(*wired.find(h));
  block_owners out;
  for (const int h : assign_blocks(*layout, holding, part_of_block)) {
    out.holders.push_back(holding[static_cast<std::size_t>(h)].where);
    if (!aggregators.empty()) out.aggregators.push_back(aggregators[static_cast<std::size_t>(h)]);
  }
  return out;
}

std::shared_ptr<pool<shard_kernels>> casting::impl::kernels_for(const kernel_plan& plan) const {
  return std::make_shared<pool<shard_kernels>>([g = compiled,
                                                plan,
                                                how = compile_options_of(wired),
                                                recompute = wired.recompute,
                                                compile = instead.compile] {
    return std::make_unique<shard_kernels>(
        troupe::compiled(g, plan, how, compile ? compile : compiler_for(plan.device)), recompute);
  });
}

void casting::impl::note_facts(int part, const program& compiled_part) {
  crossings = compiled_part.crossings();
  auto& f = facts[part];
  f = {compiled_part.reads_input(), compiled_part.computes_loss(), {}};
  for (int b = 0; b < blocks(); ++b)
    f.own_blocks.push_back(compiled_part.owns(b));
}

director_options casting::impl::director_here() const {
  const auto& j = wired.job;
  director_options out{.first_step = start.step,
                       .last_step = static_cast<std::uint64_t>(j.total_steps()),
                       .steps_per_epoch = static_cast<std::uint64_t>(j.steps_per_epoch()),
                       .microbatches = j.microbatches,
                       .blocks = blocks(),
                       .islands = j.outer.islands,
                       .shards = shards,
                       .workers = wired.workers(),
                       .steps_ahead = steps_ahead_of(wired),
                       .checkpoint_folder = options.checkpoint_folder,
                       .checkpoint_every = static_cast<std::uint64_t>(options.checkpoint_every),
                       .edges = credit_edges_of(wired),
                       .dials = options.dials,
                       .shares = dealt_by(wired)};
  if (options.evaluate && (j.data.test || j.data.validation)) out.evaluators = evaluators;
  if (j.outer.islands > 0)
    for (const auto& role : wired.roles)
      if (role.where.role == role_kind::layer_shard)
        out.island_of[role.where] = static_cast<std::uint32_t>(wired.island_of(role.microbatches));
  return out;
}

checkpointer_options casting::impl::checkpointer_here() const {
  const auto& j = wired.job;
  checkpointer_options out{.blocks = layout->blocks.size(),
                           .writers = heads,
                           .holders = heads,
                           .manifest = {.job = describe_job(j), .shards = {}},
                           .rounds = j.rounds(),
                           .kept = options.checkpoints_kept};
  const auto keepers = wired.of(role_kind::residual_keeper);
  out.writers.insert(out.writers.end(), keepers.begin(), keepers.end());
  std::erase_if(out.holders, [](const address& holder) { return holder.slice != 0; });
  auto& m = out.manifest;
  m.islands = j.outer.islands;
  const auto own = static_cast<std::uint64_t>(slots(j.optimizer));
  m.slots = m.islands > 0 ? static_cast<std::uint64_t>(slots(j.outer.rule)) : own;
  m.island_slots = m.islands > 0 ? own : 0;
  if (const auto& codec = j.compression; codec && codec->has_residual())
    m.residuals = compressed.size();
  return out;
}

data_loader_options casting::impl::data_loader_here() const {
  const auto& j = wired.job;
  const sampling sampled{j.batch,
                         j.microbatches,
                         j.shuffle,
                         j.balanced_sampling,
                         j.seed,
                         std::max(1U, j.outer.islands)};
  if (instead.source) return {[source = instead.source] { return source; }};
  return {[data = j.data.train,
           sampled,
           augment = j.augment,
           criterion = criterion,
           outputs = static_cast<int>(compiled.output().elements())] {
    auto reader = std::make_shared<microbatch_reader>(data, sampled, augment, *criterion, outputs);
    return [reader = std::move(reader)](std::uint64_t step, std::uint32_t microbatch, bool images) {
      return reader->read(step, microbatch, images);
    };
  }};
}

casting::impl::shard_kind casting::impl::kind_of(const wired_role& shard) const {
  return {wired.island_of(shard.microbatches),
          shard.where.stage,
          shard.microbatches.count,
          shard.parts,
          shard.schedule,
          shard.device};
}

layer_shard_options casting::impl::layer_shard_of(const wired_role& where) const {
  const int island = wired.island_of(where.microbatches);
  const auto n = wired.job.island_microbatches();
  layer_shard_options out{
      .microbatches = n,
      .first = where.microbatches.first / n * n,
      .seed = wired.job.seed,
      .criterion = criterion,
      .schedule = where.schedule,
      .reads_input = false,
      .computes_loss = false,
      .crossings = crossings,
      .recompute = wired.recompute,
      .own_blocks = std::vector<bool>(layout->blocks.size(), false),
      .aggregators = owners[static_cast<std::size_t>(island)].aggregators,
      .holders = owners[static_cast<std::size_t>(island)].holders,
      .director = director_address,
      .kernels = kernels.at(kernel_plan_of(wired, where)),
      .pulls = wired.order.as_they_come(),
      .runs_ahead = wired.order.as_they_come() || island > 0,
      .every = std::max<std::uint64_t>(1, wired.workers()),
      .delay = delay_of(wired, where),
      .steps_per_epoch = static_cast<std::uint64_t>(wired.job.steps_per_epoch()),
      .steps = static_cast<std::uint64_t>(wired.job.total_steps()),
      .codecs = island > 0 ? std::vector<std::shared_ptr<const block_codec>>{} : codecs,
      .dealt = dealt,
      .nodes = compressed};
  for (const int p : where.parts) {
    const auto& f = facts.at(p);
    out.reads_input = out.reads_input || f.reads_input;
    out.computes_loss = out.computes_loss || f.computes_loss;
    for (std::size_t b = 0; b < f.own_blocks.size(); ++b)
      if (f.own_blocks[b]) out.own_blocks[b] = true;
  }
  return out;
}

layer_shard_place casting::impl::place_of(const wired_role& shard) const {
  return {.own = {shard.microbatches.first, shard.microbatches.count},
          .spans = wired.spans_of(shard.microbatches),
          .group = shard.group,
          .shard_of_part = shard_of_part.at(shard.where.replica),
          .loader = {.role = role_kind::data_loader, .replica = shard.where.replica},
          .keeper = {.role = role_kind::residual_keeper,
                     .replica = shard.where.replica,
                     .stage = shard.where.stage,
                     .slice = shard.where.slice}};
}

gradient_aggregator_options casting::impl::gradient_aggregator_at(const address& where) const {
  const auto& of_island = owners[where.slice];
  const bool outer = wired.job.outer.islands > 0 && where.slice == 0;
  gradient_aggregator_options out{
      .microbatches = outer ? wired.job.outer.islands : wired.job.island_microbatches(),
      .holders = of_island.holders,
      .steps_in_flight = wired.stash_weights ? static_cast<std::uint64_t>(wired.stages) : 1,
      .codecs = codecs};
  if (where.stage > 0) {
    if (const auto own = group_sums.find(where.stage); own != group_sums.end())
      out.group_sums = own->second; // a wiring may have a group without members
    out.roots = of_island.aggregators;
  }
  auto root = where;
  root.stage = 0;
  for (std::size_t b = 0; b < of_island.aggregators.size(); ++b)
    if (of_island.aggregators[b] == root) out.own_blocks.push_back(static_cast<int>(b));
  return out;
}

// By block that it holds. Of the parameters of an island; of the outer ones, the islands' holders.
std::vector<std::vector<address>> casting::impl::readers_of(const address& holder) const {
  std::vector<std::vector<address>> out(layout->blocks.size());
  std::vector<std::size_t> held;
  for (std::size_t b = 0; b < out.size(); ++b)
    if (owners[holder.slice].holders[b] == holder) held.push_back(b);
  if (held.empty()) return out;
  for (std::size_t w = 1; holder.slice == 0 && w < owners.size(); ++w)
    for (const auto b : held)
      out[b].push_back(owners[w].holders[b]);
  for (const auto& role : wired.roles) {
    if (role.where.role != role_kind::layer_shard) continue; // holders name parts, too
    if (wired.island_of(role.microbatches) != holder.slice) continue;
    for (const int p : role.parts)
      for (const auto b : held)
        if (facts.at(p).own_blocks[b]) out[b].push_back(role.where);
  }
  return out;
}

parameter_holder_options casting::impl::parameter_holder_at(address where) const {
  const auto& j = wired.job;
  auto copies = copies_of(wired, where);
  if (copies.size() == 1) copies.clear();
  where.stage = 0; // a copy has what its head has
  parameter_holder_options out{.version = start.step,
                               .layout = layout,
                               .rule = j.optimizer,
                               .rate = j.learning_rate,
                               .total_steps = j.total_steps(),
                               .microbatches = j.microbatches,
                               .readers = readers_of(where),
                               .director = director_address,
                               .parts_max = std::max(kernel_threads, 1),
                               .versions_kept = 2,
                               .commits_kept = steps_ahead_of(wired),
                               .order = wired.order,
                               .workers = std::max<std::uint64_t>(1, wired.workers()),
                               .codecs = codecs,
                               .islands = j.outer.islands,
                               .island = where.slice,
                               .seed = j.seed,
                               .copies = std::move(copies),
                               .save_every = save_every()};
  out.commits_kept = steps_ahead_of(wired);
  if (j.outer.islands > 0) take_part_in_islands(out);
  // A restarted stage begins with the oldest version that its delay reaches, when others may have
  // run ahead as far as they are permitted.
  if (wired.stash_weights)
    out.versions_kept += steps_ahead_of(wired) + static_cast<std::size_t>(wired.stages);
  for (std::size_t b = 0; b < layout->blocks.size(); ++b)
    if (owners[where.slice].holders[b] == where) out.blocks.push_back(held_at(where.slice, b));
  return out;
}

void casting::impl::take_part_in_islands(parameter_holder_options& holder) const {
  const auto& j = wired.job;
  holder.rounds = j.rounds();
  if (holder.island > 0) {
    holder.microbatches = j.island_microbatches();
    holder.outer_aggregators = owners[0].aggregators;
    return;
  }
  holder.version = holder.rounds.begin_of(start.step);
  holder.layout = outer_layout;
  holder.rule = j.outer.rule;
  holder.rate = {.base = j.outer.rate};
  holder.microbatches = j.outer.islands;
}

held_block casting::impl::held_at(std::size_t island, std::size_t block) const {
  held_block out{.block = static_cast<int>(block), .parameters = start.parameters[block]};
  const auto take = [&](const std::vector<std::vector<tensor>>& slots) {
    for (const auto& slot : slots)
      out.slots.push_back(slot[block]);
  };
  if (island == 0) {
    take(start.slots);
    return out;
  }
  out.round_start = out.parameters;
  if (island - 1 < start.residuals.size()) out.residual = start.residuals[island - 1][block];
  if (start.islands.empty()) return out; // a job that begins
  const island_state& own = start.islands[island - 1];
  take(own.slots);
  if (!own.parameters.empty()) out.parameters = own.parameters[block];
  return out;
}

// What the codec has left out before the first step of this run: nothing, or what a checkpoint has.
residual_keeper_options casting::impl::residual_keeper_at(const address& where) const {
  residual_keeper_options out{.director = {.role = role_kind::director},
                              .start = {},
                              .steps_kept = steps_ahead_of(wired) + 2,
                              .layout = layout,
                              .nodes = {},
                              .save_every = save_every()};
  for (const tree_span& node : compressed)
    out.nodes.push_back(node.first);
  const auto* shard = wired.find({.role = role_kind::layer_shard,
                                  .replica = where.replica,
                                  .stage = where.stage,
                                  .slice = where.slice});
  out.shard = shard->where;
  const auto& nodes = compressed;
  for (const tree_span& span : wired.spans_of(shard->microbatches))
    for (const int p : shard->parts)
      for (std::size_t b = 0; b < codecs.size(); ++b) {
        if (!facts.at(p).own_blocks[b] || codecs[b]->residual_elements() == 0) continue;
        const auto node =
            static_cast<std::size_t>(std::find(nodes.begin(), nodes.end(), span) - nodes.begin());
        tensor value;
        if (node < start.residuals.size()) {
          value = start.residuals[node][b];
        } else {
          auto zeros = buffer_pool::global().take({codecs[b]->residual_elements()});
          std::fill(zeros.values().begin(), zeros.values().end(), 0.0F);
          value = std::move(zeros).freeze();
        }
        out.start.push_back({start.step, static_cast<int>(b), span.first, value});
      }
  return out;
}

evaluator_options casting::impl::evaluator_at(const address& where) const {
  return {.part = part_of_evaluator.at(where),
          .parts = static_cast<std::uint32_t>(evaluators.size()),
          .blocks = blocks(),
          .holders = holders,
          .programs = evaluation.at(wired.find(where)->device),
          .criterion = criterion,
          .test = wired.job.data.test,
          .validation = wired.job.data.validation,
          .pixels = evaluated_pixels};
}

casting::casting(std::shared_ptr<const wiring> w,
                 std::shared_ptr<const parameter_layout> layout,
                 checkpoint start,
                 const run_options& options,
                 recorder_options recorder,
                 int kernel_threads,
                 stand_ins instead,
                 const std::function<bool(const address&)>& plays)
    : impl_(std::make_shared<impl>(std::move(w),
                                   std::move(layout),
                                   std::move(start),
                                   options,
                                   std::move(recorder),
                                   kernel_threads,
                                   std::move(instead))) {
  impl_->prepare(plays);
}

std::unique_ptr<role> casting::impl::play(const wired_role& where, context& c) const {
  const std::shared_lock lock(making);
  switch (where.where.role) {
  case role_kind::director:
    return std::make_unique<director>(c, director_here());
  case role_kind::supervisor:
    return std::make_unique<supervisor>(
        c,
        supervisor_options{[chosen = options.supervision, w = kept] {
                             return chosen ? *chosen : default_supervision(*w);
                           },
                           director_address});
  case role_kind::recorder:
    return std::make_unique<recorder>(c, recording);
  case role_kind::checkpointer:
    return std::make_unique<checkpointer>(c, checkpointer_here());
  case role_kind::data_loader:
    return std::make_unique<data_loader>(c, data_loader_here());
  case role_kind::layer_shard:
    return std::make_unique<layer_shard>(c, shard_plans.at(kind_of(where)), place_of(where));
  case role_kind::gradient_aggregator:
    return std::make_unique<gradient_aggregator>(c, gradient_aggregator_at(where.where));
  case role_kind::parameter_holder:
    return std::make_unique<parameter_holder>(c, parameter_holder_at(where.where));
  case role_kind::residual_keeper:
    return std::make_unique<residual_keeper>(c, residual_keeper_at(where.where));
  case role_kind::evaluator:
    return std::make_unique<evaluator>(c, evaluator_at(where.where));
  }
  TROUPE_ASSERT(false, "a role that nobody can play");
  return {};
}

void casting::begin_at(checkpoint start) const {
  const std::lock_guard nobody(impl_->making);
  impl_->start = std::move(start);
}

wait_sources casting::sources() const {
  const auto& w = impl_->wired;
  wait_sources out{.workers = w.workers(),
                   .microbatches = w.job.microbatches,
                   .microbatches_of_island = w.job.island_microbatches(),
                   .dealt = impl_->dealt};
  for (const auto& [holders, aggregators] : impl_->owners)
    out.of_island.push_back({holders, aggregators});
  std::map<std::vector<bool>, std::shared_ptr<const std::vector<bool>>> shared;
  for (const auto& role : w.roles) {
    if (role.where.role != role_kind::layer_shard) continue;
    const auto& plan = *impl_->shard_plans.at(impl_->kind_of(role));
    auto& own = shared[plan.own_blocks];
    if (!own) own = std::make_shared<const std::vector<bool>>(plan.own_blocks);
    out.shards.push_back({role.where,
                          {role.microbatches.first, role.microbatches.count},
                          role.group,
                          static_cast<std::uint32_t>(w.island_of(role.microbatches)),
                          plan.computes_loss,
                          own});
  }
  return out;
}

// What a role is given is made when somebody begins to play it.
role_factory casting::role_at(const wired_role& where) const {
  return [cast = impl_, &where](context& c) { return cast->play(where, c); };
}

} // namespace troupe
