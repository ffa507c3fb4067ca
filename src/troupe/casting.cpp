#include "troupe/casting.hpp"

#include "actors/checkpointer.hpp"
#include "actors/data_loader.hpp"
#include "actors/director.hpp"
#include "actors/evaluator.hpp"
#include "actors/gradient_aggregator.hpp"
#include "actors/layer_shard.hpp"
#include "actors/parameter_holder.hpp"
#include "actors/pool.hpp"
#include "actors/supervisor.hpp"
#include "ops/assert.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

namespace troupe {

namespace {

template <class Role, class Options>
role_factory plays(Options options) {
  return [options = std::move(options)](context& c) { return std::make_unique<Role>(c, options); };
}

// Blocks to holders, balanced by bytes: the largest block first, to whom has least of those who may
// hold it.
std::vector<int> assign_blocks(const parameter_layout& layout,
                               const std::vector<wired_role>& holders,
                               const std::vector<int>& part_of_block) {
  std::vector<std::size_t> order(layout.blocks.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return layout.blocks[a].size > layout.blocks[b].size;
  });
  std::vector<std::int64_t> load(holders.size(), 0);
  std::vector<int> out(layout.blocks.size(), -1);
  const auto may = [&](const wired_role& h, std::size_t block) {
    return h.parts.empty() ||
           std::find(h.parts.begin(), h.parts.end(), part_of_block[block]) != h.parts.end();
  };
  for (const auto block : order) {
    for (std::size_t h = 0; h < holders.size(); ++h)
      if (may(holders[h], block) &&
          (out[block] < 0 || load[h] < load[static_cast<std::size_t>(out[block])]))
        out[block] = static_cast<int>(h);
    TROUPE_ASSERT(out[block] >= 0, "somebody holds each block");
    load[static_cast<std::size_t>(out[block])] += layout.blocks[block].size;
  }
  return out;
}

// The most microbatches whose activations a part keeps at once. With recomputation they are kept
// from backward's begin.
int most_in_flight(const std::vector<schedule_op>& schedule, int part, bool recompute) {
  int now = 0, most = 1;
  const auto begins = recompute ? op_kind::backward_input : op_kind::forward;
  for (const auto& op : schedule) {
    if (op.part != part) continue;
    if (op.kind == begins) most = std::max(most, ++now);
    if (op.kind == op_kind::backward_weights || (op.kind == op_kind::backward && !recompute)) --now;
    // A forward pass, or a backward pass that is not split, needs one for itself.
    if (recompute && (op.kind == op_kind::forward || op.kind == op_kind::backward))
      most = std::max(most, now + 1);
  }
  return most;
}

// Layer shards with the same needs take turns with the same kernels.
struct kernel_needs {
  std::vector<std::pair<int, int>> in_flight; // by part
  bool split_backward = false;

  friend auto operator<=>(const kernel_needs&, const kernel_needs&) = default;
};

kernel_needs needs_of(const wired_role& role, bool recompute) {
  kernel_needs out;
  for (const int p : role.parts)
    out.in_flight.emplace_back(p, most_in_flight(role.schedule, p, recompute));
  out.split_backward = std::any_of(role.schedule.begin(), role.schedule.end(), [](const auto& op) {
    return op.kind == op_kind::backward_input;
  });
  return out;
}

} // namespace

compile_options compile_options_of(const wiring& w) {
  return {.microbatch = w.job.batch / w.job.microbatches,
          .block_bytes_max = w.block_bytes_max,
          .part_of_piece = w.part_of_piece()};
}

struct casting::impl {
  wiring wired;
  std::shared_ptr<const parameter_layout> layout;
  checkpoint start;
  run_options options;
  recorder_options recording;
  int kernel_threads;

  graph compiled = build_graph(wired.job.model, wired.job.data.train->image);
  std::shared_ptr<const loss> criterion = std::make_shared<const loss>(wired.job.loss);
  std::map<kernel_needs, std::shared_ptr<pool<shard_kernels>>> kernels;
  std::vector<crossing> crossings;

  struct part_facts {
    bool reads_input = false, computes_loss = false;
    std::vector<bool> own_blocks;
  };

  std::map<int, part_facts> facts; // by part
  std::shared_ptr<pool<program>> evaluation;

  address director_address = wired.of(role_kind::director).front();
  std::vector<address> shards = wired.of(role_kind::layer_shard);
  std::vector<address> holders = wired.of(role_kind::parameter_holder);
  std::vector<address> evaluators = wired.of(role_kind::evaluator);
  std::vector<address> holder_of, aggregator_of; // by block

  void prepare();
  [[nodiscard]] std::shared_ptr<pool<shard_kernels>> kernels_for(const kernel_needs& needs) const;
  void note_facts(int part, const program& compiled_part);

  [[nodiscard]] int blocks() const { return static_cast<int>(layout->blocks.size()); }

  [[nodiscard]] director_options director_here() const;
  [[nodiscard]] data_loader_options data_loader_here() const;
  [[nodiscard]] layer_shard_options layer_shard_at(const wired_role& where) const;
  [[nodiscard]] parameter_holder_options parameter_holder_at(const address& where) const;
  [[nodiscard]] std::vector<std::vector<address>> readers() const; // by block
  [[nodiscard]] evaluator_options evaluator_at(const address& where) const;
};

void casting::impl::prepare() {
  const auto aggregators = wired.of(role_kind::gradient_aggregator);
  evaluation = std::make_shared<pool<program>>([g = compiled, layout = layout] {
    return compile_cpu(g,
                       {.microbatch = evaluation_batch, .training = false, .layout = layout.get()});
  });
  std::vector<std::shared_ptr<shard_kernels>> warm;
  for (const auto& role : wired.roles) {
    if (role.where.role != role_kind::layer_shard) continue;
    const auto needs = needs_of(role, wired.recompute);
    auto& lent = kernels[needs];
    if (!lent) lent = kernels_for(needs);
    warm.push_back(lent->take());
    for (const auto& p : warm.back()->parts())
      note_facts(p.index, *p.in_flight.front());
  }
  std::vector<int> part_of_block(static_cast<std::size_t>(blocks()), 0);
  for (const auto& [part, f] : facts)
    for (std::size_t b = 0; b < part_of_block.size(); ++b)
      if (f.own_blocks[b]) part_of_block[b] = part;
  std::vector<wired_role> holding;
  for (const auto& role : wired.roles)
    if (role.where.role == role_kind::parameter_holder) holding.push_back(role);
  for (const int h : assign_blocks(*layout, holding, part_of_block)) {
    holder_of.push_back(holders[static_cast<std::size_t>(h)]);
    aggregator_of.push_back(aggregators[static_cast<std::size_t>(h)]);
  }
}

std::shared_ptr<pool<shard_kernels>> casting::impl::kernels_for(const kernel_needs& needs) const {
  compile_options whole = compile_options_of(wired);
  whole.split_backward = needs.split_backward;
  return std::make_shared<pool<shard_kernels>>(
      [g = compiled, whole, in_flight = needs.in_flight, recompute = wired.recompute] {
        std::vector<shard_kernels::part> parts;
        for (const auto& [part, count] : in_flight) {
          auto& made = parts.emplace_back(shard_kernels::part{part, {}});
          compile_options of_part = whole;
          of_part.part = part;
          of_part.has_siblings = count > 1;
          for (int i = 0; i < count; ++i) {
            made.in_flight.push_back(compile_cpu(g, of_part));
            of_part.sibling_of = made.in_flight.front().get();
          }
        }
        return std::make_unique<shard_kernels>(std::move(parts), recompute);
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
                       .shards = shards,
                       .checkpoint_folder = options.checkpoint_folder,
                       .checkpoint_every = static_cast<std::uint64_t>(options.checkpoint_every)};
  if (options.evaluate && (j.data.test || j.data.validation)) out.evaluators = evaluators;
  return out;
}

data_loader_options casting::impl::data_loader_here() const {
  const auto& j = wired.job;
  const sampling sampled{j.batch, j.microbatches, j.shuffle, j.balanced_sampling, j.seed};
  return {[data = j.data.train,
           sampled,
           augment = j.augment,
           criterion = criterion,
           outputs = static_cast<int>(compiled.output().elements())] {
    return microbatch_reader(data, sampled, augment, *criterion, outputs);
  }};
}

layer_shard_options casting::impl::layer_shard_at(const wired_role& where) const {
  layer_shard_options out{
      .own = {where.microbatches.first, where.microbatches.count},
      .microbatches = wired.job.microbatches,
      .seed = wired.job.seed,
      .criterion = criterion,
      .schedule = where.schedule,
      .reads_input = false,
      .computes_loss = false,
      .crossings = crossings,
      .recompute = wired.recompute,
      .own_blocks = std::vector<bool>(layout->blocks.size(), false),
      .aggregators = aggregator_of,
      .loader = {.role = role_kind::data_loader, .replica = where.where.replica},
      .director = director_address,
      .kernels = kernels.at(needs_of(where, wired.recompute))};
  for (const int p : where.parts) {
    const auto& f = facts.at(p);
    out.reads_input = out.reads_input || f.reads_input;
    out.computes_loss = out.computes_loss || f.computes_loss;
    for (std::size_t b = 0; b < f.own_blocks.size(); ++b)
      if (f.own_blocks[b]) out.own_blocks[b] = true;
  }
  for (const auto& holder : holders)
    for (std::size_t b = 0; b < out.own_blocks.size(); ++b)
      if (out.own_blocks[b] && holder_of[b] == holder) {
        out.holders.push_back(holder);
        break;
      }
  for (const auto& role : wired.roles)
    if (role.where.role == role_kind::layer_shard && role.where.replica == where.where.replica)
      for (const int p : role.parts) {
        out.shard_of_part.resize(
            std::max(out.shard_of_part.size(), static_cast<std::size_t>(p) + 1));
        out.shard_of_part[static_cast<std::size_t>(p)] = role.where;
      }
  return out;
}

std::vector<std::vector<address>> casting::impl::readers() const {
  std::vector<std::vector<address>> out(layout->blocks.size());
  for (const auto& role : wired.roles)
    for (const int p : role.parts)
      for (std::size_t b = 0; b < out.size(); ++b)
        if (facts.at(p).own_blocks[b]) out[b].push_back(role.where);
  return out;
}

parameter_holder_options casting::impl::parameter_holder_at(const address& where) const {
  const auto& j = wired.job;
  parameter_holder_options out{.version = start.step,
                               .layout = layout,
                               .rule = j.optimizer,
                               .rate = j.learning_rate,
                               .total_steps = j.total_steps(),
                               .microbatches = j.microbatches,
                               .readers = readers(),
                               .director = director_address,
                               .parts_max = std::max(kernel_threads, 1)};
  for (std::size_t b = 0; b < holder_of.size(); ++b) {
    if (holder_of[b] != where) continue;
    held_block held{.block = static_cast<int>(b), .parameters = start.parameters[b]};
    for (const auto& slot : start.slots)
      held.slots.push_back(slot[b]);
    out.blocks.push_back(std::move(held));
  }
  return out;
}

evaluator_options casting::impl::evaluator_at(const address& where) const {
  const auto part = std::find(evaluators.begin(), evaluators.end(), where) - evaluators.begin();
  return {.part = static_cast<std::uint32_t>(part),
          .parts = static_cast<std::uint32_t>(evaluators.size()),
          .blocks = blocks(),
          .holders = holders,
          .programs = evaluation,
          .criterion = criterion,
          .test = wired.job.data.test,
          .validation = wired.job.data.validation,
          .pixels = pixel_transform_of(*wired.job.data.train, wired.job.augment)};
}

casting::casting(const wiring& w,
                 std::shared_ptr<const parameter_layout> layout,
                 checkpoint start,
                 const run_options& options,
                 recorder_options recorder,
                 int kernel_threads)
    : impl_(std::make_unique<impl>(
          w, std::move(layout), std::move(start), options, std::move(recorder), kernel_threads)) {
  impl_->prepare();
}

casting::~casting() = default;

role_factory casting::role_at(const wired_role& where) const {
  switch (where.where.role) {
  case role_kind::director:
    return plays<director>(impl_->director_here());
  case role_kind::supervisor:
    return plays<supervisor>(supervisor_options{
        .cannot_restart = {role_kind::parameter_holder, role_kind::director, role_kind::recorder}});
  case role_kind::recorder:
    return plays<recorder>(impl_->recording);
  case role_kind::checkpointer:
    return plays<checkpointer>(checkpointer_options{.layout = impl_->layout,
                                                    .holders = impl_->holders,
                                                    .job = describe_job(impl_->wired.job),
                                                    .kept = impl_->options.checkpoints_kept});
  case role_kind::data_loader:
    return plays<data_loader>(impl_->data_loader_here());
  case role_kind::layer_shard:
    return plays<layer_shard>(impl_->layer_shard_at(where));
  case role_kind::gradient_aggregator:
    return plays<gradient_aggregator>(
        gradient_aggregator_options{impl_->wired.job.microbatches, impl_->holder_of});
  case role_kind::parameter_holder:
    return plays<parameter_holder>(impl_->parameter_holder_at(where.where));
  case role_kind::evaluator:
    return plays<evaluator>(impl_->evaluator_at(where.where));
  }
  TROUPE_ASSERT(false, "a role that nobody can play");
  return {};
}

} // namespace troupe
