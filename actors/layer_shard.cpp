#include "actors/layer_shard.hpp"

#include "ops/assert.hpp"

#include <algorithm>
#include <utility>

namespace troupe {

layer_shard::layer_shard(context& world, layer_shard_options options)
    : world_(world),
      options_(std::move(options)),
      blocks_(static_cast<int>(
          std::count(options_.own_blocks.begin(), options_.own_blocks.end(), true))) {}

void layer_shard::started() {
  for (const auto& holder : options_.holders)
    world_.send(holder, protocol::want_parameters{world_.self()});
}

void layer_shard::on(const protocol::begin_step& m) {
  permitted_ = std::max(permitted_, static_cast<std::int64_t>(m.step));
  committed_ = std::max(committed_, m.committed);
  std::erase_if(sent_, [&](const protocol::boundary& b) { return b.step < committed_; });
  act();
}

void layer_shard::on(const protocol::parameters& m) {
  if (has_step_ && m.step <= step_) return;
  if (options_.own_blocks[static_cast<std::size_t>(m.block)]) incoming_[m.step][m.block] = m.value;
  act();
}

void layer_shard::on(const protocol::batch& m) {
  if (!has_step_ || m.step >= step_) batches_.try_emplace({m.step, m.microbatch}, m.data);
  act();
}

void layer_shard::on(const protocol::boundary& m) {
  if (has_step_) {
    if (m.step < step_) return;
    if (m.step == step_) // was it read?
      for (std::size_t i = 0; i < computing_; ++i)
        if (const auto& op = options_.schedule[i];
            microbatch_of(op) == m.microbatch && reads(op, m.crossing))
          return;
  }
  values_.try_emplace({m.step, m.microbatch, m.crossing}, m.value);
  act();
}

void layer_shard::act() {
  if (busy_ || permitted_ < 0) return;
  advance();
  if (!has_step_ || permitted_ < static_cast<std::int64_t>(step_)) return;
  // A run of operations of one microbatch, so that a killed shard's kernels end soon.
  std::size_t last = next_;
  while (last < options_.schedule.size() && ready(options_.schedule[last]) &&
         options_.schedule[last].microbatch == options_.schedule[next_].microbatch)
    ++last;
  if (last == next_) return;
  compute(last);
  want_batches(step_ + 1); // prefetch: read while the kernels run
}

// To the next step, when this one is computed and the parameters are here. To the first one that is
// not committed, where its predecessor or the others have come further.
void layer_shard::advance() {
  const bool done = has_step_ && next_ == options_.schedule.size();
  const std::uint64_t wanted = std::max(committed_, has_step_ ? step_ + (done ? 1 : 0) : 0);
  if (has_step_ && wanted == step_) return;
  const auto found = incoming_.find(wanted);
  if (found == incoming_.end() ? blocks_ > 0 : found->second.size() < std::size_t(blocks_)) return;
  begin(wanted);
}

// What belonged to older steps is in the parameters and can go; but for boundary values, which
// other parts may still need.
void layer_shard::begin(std::uint64_t step) {
  step_ = step;
  has_step_ = true;
  next_ = computing_ = 0;
  unacknowledged_.clear();
  parameters_.assign(options_.own_blocks.size(), {});
  for (const auto& [block, value] : incoming_[step])
    parameters_[static_cast<std::size_t>(block)] = value;
  incoming_.erase(incoming_.begin(), incoming_.upper_bound(step));
  batches_.erase(batches_.begin(), batches_.lower_bound({step, 0}));
  asked_.erase(asked_.begin(), asked_.lower_bound({step, 0}));
  values_.erase(values_.begin(), values_.lower_bound({step, 0, 0}));
  want_batches(step);
}

void layer_shard::want_batches(std::uint64_t step) {
  if (!options_.reads_input && !options_.computes_loss) return;
  for (std::uint32_t i = 0; i < options_.own.count; ++i) {
    const batch_key key{step, options_.own.first + i};
    if (!std::exchange(asked_[key], true)) ask(key);
  }
}

void layer_shard::ask(const batch_key& key) {
  world_.send(options_.loader,
              protocol::want_batch{key.first, key.second, world_.self(), options_.reads_input});
}

bool layer_shard::reads(const schedule_op& op, int crossing) const {
  const auto& c = options_.crossings[static_cast<std::size_t>(crossing)];
  return c.to == op.part && (c.needed == pass::forward ? op.kind == op_kind::forward
                                                       : op.kind == op_kind::backward ||
                                                             op.kind == op_kind::backward_input);
}

bool layer_shard::ready(const schedule_op& op) const {
  if (op.kind == op_kind::forward && (options_.reads_input || options_.computes_loss) &&
      !batches_.contains({step_, microbatch_of(op)}))
    return false;
  for (std::size_t c = 0; c < options_.crossings.size(); ++c)
    if (reads(op, static_cast<int>(c)) &&
        !values_.contains({step_, microbatch_of(op), static_cast<int>(c)}))
      return false;
  return true;
}

shard_kernels::task layer_shard::task_of(const schedule_op& op) const {
  shard_kernels::task out{op, microbatch_of(op), {}, {}};
  if (const auto data = batches_.find({step_, out.microbatch}); data != batches_.end())
    out.data = data->second;
  for (std::size_t c = 0; c < options_.crossings.size(); ++c)
    if (const auto value = values_.find({step_, out.microbatch, static_cast<int>(c)});
        value != values_.end() && options_.crossings[c].to == op.part)
      out.values.emplace_back(c, value->second);
  return out;
}

void layer_shard::compute(std::size_t last) {
  busy_ = true;
  if (!kernels_) kernels_ = options_.kernels->take();
  std::vector<shard_kernels::task> tasks;
  for (std::size_t i = next_; i < last; ++i)
    tasks.push_back(task_of(options_.schedule[i]));
  computing_ = last;
  const shard_kernels::step step{step_,
                                 options_.seed,
                                 tree_cover_below_root(options_.microbatches, options_.own),
                                 options_.microbatches};
  world_.compute(
      lane::kernels,
      [kernels = kernels_,
       first = next_ == 0,
       step,
       parameters = parameters_,
       tasks = std::move(tasks),
       criterion = options_.criterion,
       done = static_cast<std::uint32_t>(last)](computation& here) {
        if (first) kernels->begin(step, parameters);
        const shard_kernels::listener tell{
            [&](protocol::boundary b) { here.post(protocol::boundary_ready{std::move(b)}); },
            [&](protocol::gradient g) { here.post(protocol::gradient_ready{std::move(g)}); },
            [&](const protocol::microbatch_report& r) { here.post(r); }};
        for (const auto& task : tasks)
          if (!here.cancelled()) kernels->run(task, *criterion, tell, here.cancelled());
        here.post(protocol::operations_done{step.number, done});
      });
}

void layer_shard::on(const protocol::microbatch_report& m) {
  world_.send(options_.director, m);
}

void layer_shard::on(const protocol::boundary_ready& m) {
  const auto& crossing = options_.crossings[static_cast<std::size_t>(m.value.crossing)];
  if (m.value.step >= committed_) sent_.push_back(m.value);
  world_.send(options_.shard_of_part[static_cast<std::size_t>(crossing.to)], m.value);
}

void layer_shard::on(const protocol::gradient_ready& m) {
  const auto& aggregator = options_.aggregators[static_cast<std::size_t>(m.value.block)];
  unacknowledged_.push_back(m.value);
  world_.send(aggregator, m.value);
}

void layer_shard::on(const protocol::operations_done& m) {
  busy_ = false;
  for (; next_ < m.operations; ++next_)
    forget(options_.schedule[next_]);
  act();
}

// What an operation has read goes; for recomputation not before backward.
void layer_shard::forget(const schedule_op& op) {
  const bool last = op.kind == op_kind::backward || op.kind == op_kind::backward_input;
  if (std::none_of(options_.schedule.begin() + static_cast<std::ptrdiff_t>(next_) + 1,
                   options_.schedule.end(),
                   [&](const schedule_op& later) { return later.microbatch == op.microbatch; }))
    batches_.erase({step_, microbatch_of(op)});
  if (options_.recompute && !last) return;
  for (std::size_t c = 0; c < options_.crossings.size(); ++c)
    if (options_.crossings[c].to == op.part &&
        (last || options_.crossings[c].needed == pass::forward))
      values_.erase({step_, microbatch_of(op), static_cast<int>(c)});
}

void layer_shard::on(const protocol::restarted& m) {
  if (m.who == options_.loader)
    for (const auto& [key, yes] : asked_) {
      const bool read =
          has_step_ && key.first == step_ &&
          std::any_of(
              options_.schedule.begin(),
              options_.schedule.begin() + static_cast<std::ptrdiff_t>(computing_),
              [&, m = key.second](const schedule_op& op) { return microbatch_of(op) == m; });
      if (!read && !batches_.contains(key)) ask(key);
    }
  for (const auto& sent : unacknowledged_)
    if (options_.aggregators[static_cast<std::size_t>(sent.block)] == m.who)
      world_.send(m.who, sent);
  for (const auto& sent : sent_) {
    const auto& crossing = options_.crossings[static_cast<std::size_t>(sent.crossing)];
    if (options_.shard_of_part[static_cast<std::size_t>(crossing.to)] == m.who)
      world_.send(m.who, sent);
  }
}

} // namespace troupe
