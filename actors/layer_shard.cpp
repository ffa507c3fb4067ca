#include "actors/layer_shard.hpp"

#include "ops/assert.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace troupe {

namespace {

work_kind kind_of(op_kind kind) {
  switch (kind) {
  case op_kind::forward:
    return work_kind::forward;
  case op_kind::backward_input:
    return work_kind::backward_inputs;
  case op_kind::backward_weights:
    return work_kind::backward_weights;
  case op_kind::backward:
    break;
  }
  return work_kind::backward;
}

work work_of(const shard_kernels::task& t) {
  return {.kind = kind_of(t.op.kind), .part = t.op.part, .which = t.microbatch};
}

shard_shares shares_of(const layer_shard_options& o, layer_shard_place& place) {
  return o.dealt ? shard_shares(o.microbatches, o.nodes)
                 : shard_shares(shard_share{place.own, std::exchange(place.spans, {})});
}

} // namespace

layer_shard_plan::layer_shard_plan(layer_shard_options options)
    : layer_shard_options(std::move(options)),
      blocks(static_cast<std::size_t>(std::count(own_blocks.begin(), own_blocks.end(), true))),
      depth(std::make_shared<const depth_facts>(schedule)) {
  for (std::size_t i = 0; i < schedule.size(); ++i)
    (schedule[i].kind == op_kind::forward ? forwards : backwards).push_back(i);
  for (std::size_t b = 0; b < codecs.size(); ++b)
    if (own_blocks[b] && codecs[b]->residual_elements() > 0) ++residuals_of_span;
}

layer_shard::layer_shard(context& world,
                         std::shared_ptr<const layer_shard_plan> plan,
                         layer_shard_place place)
    : world_(world),
      plan_(std::move(plan)),
      residuals_of_step_(options_.residuals_of_span * place.spans.size()),
      shares_(shares_of(options_, place)),
      place_(std::move(place)),
      depth_(options_.depth) {}

address layer_shard::aggregator_of(int block) const {
  auto out = options_.aggregators[static_cast<std::size_t>(block)];
  out.stage = static_cast<std::uint16_t>(place_.group);
  return out;
}

void layer_shard::started() {
  if (options_.pulls) return;
  std::vector<address> asked;
  for (std::size_t b = 0; b < options_.own_blocks.size(); ++b) {
    const auto& holder = options_.holders[b];
    if (!options_.own_blocks[b] || std::find(asked.begin(), asked.end(), holder) != asked.end())
      continue;
    asked.push_back(holder);
    world_.send(holder, protocol::want_parameters{world_.self()});
  }
}

// A new incarnation may hear of a step before it hears of its credit; then the director says both
// again.
void layer_shard::on(const protocol::begin_step& m) {
  if (m.credit > revision_) return;
  permitted_ = std::max(permitted_, static_cast<std::int64_t>(m.step));
  committed_ = std::max(committed_, m.committed);
  shares_.deal(m.step, m.run);
  recorded_ = std::max(recorded_, m.recorded);
  std::erase_if(sent_, [&](const protocol::boundary& b) { return b.step < committed_; });
  std::erase_if(reports_, [&](const auto& r) { return r.step < recorded_; });
  act();
}

void layer_shard::on(const protocol::set_credit& m) {
  if (m.revision <= revision_) return;
  revision_ = m.revision;
  prefetch_ = m.prefetch;
  depth_.set(m.depth);
  act();
}

void layer_shard::on(const protocol::parameters& m) {
  if (begun_ && m.step < version_for(step_)) return;
  if (!options_.own_blocks[static_cast<std::size_t>(m.block)]) return;
  const auto cached = cache_.find(m.block);
  const bool known = cached != cache_.end() && cached->second.first == m.version;
  if (!m.value && !known) return; // an answer to its predecessor
  incoming_[m.step][m.block] = m.value ? m.value : cached->second.second;
  if (options_.pulls && m.value) cache_[m.block] = {m.version, m.value};
  act();
}

void layer_shard::on(const protocol::batch& m) {
  if (!begun_ || m.step >= step_) batches_.try_emplace({m.step, m.microbatch}, m.data);
  if (const auto asked = asked_.find({m.step, m.microbatch}); asked != asked_.end())
    note_prefetch(m.step, asked->second);
  act();
}

void layer_shard::on(const protocol::boundary& m) {
  if (begun_ && (m.step < step_ || was_read(m.step, m.microbatch, m.crossing))) return;
  values_.try_emplace({m.step, m.microbatch, m.crossing}, m.value);
  act();
}

bool layer_shard::was_read(std::uint64_t step, std::uint32_t microbatch, int crossing) const {
  const auto found = steps_.find(step);
  if (found == steps_.end()) return false;
  for (std::size_t i = 0; i < found->second.computed.size(); ++i)
    if (const operation o{step, i};
        found->second.computed[i] && microbatch_of(o) == microbatch && reads(at(o), crossing))
      return true;
  return false;
}

void layer_shard::act() {
  if (permitted_ < 0) return;
  skip_committed();
  if (busy_) return;
  if (options_.pulls) pull(step_);
  if (const auto run = due(); !run.empty()) compute(run);
}

// To the first step that is not committed, where its predecessor or the others have come further.
// Kernels that have others to do their work are stopped; where nothing is left to do, they end.
void layer_shard::skip_committed() {
  if (begun_ && step_ >= committed_) return;
  const bool overtaken = options_.dealt && steps_.contains(step_) && !handed_on();
  if (busy_ && (!overtaken || options_.delay > 0)) return; // may be ahead, and of use
  if (overtaken) tell_share(true);
  if (std::exchange(busy_, false)) { // its programs are lent until the computation has noticed
    world_.abandon_computations();
    computing_.clear();
  }
  steps_.erase_below(committed_);
  computed_for_ = {};
  step_ = committed_;
  begun_ = true;
  tell_where();
  next_ = 0;
  if (ahead_ < step_) { // else their forward passes are good, and what they read is gone
    ahead_ = step_;
    ahead_next_ = 0;
  }
  if (!has_residuals(step_))
    world_.send(place_.keeper, protocol::want_residuals{world_.self(), step_});
}

// Whether nobody waits for anything more of its oldest step.
bool layer_shard::handed_on() const {
  const auto& computed = steps_.at(step_).computed;
  if (options_.blocks == 0)
    return std::find(computed.begin(), computed.end(), false) == computed.end();
  const auto sums = std::count_if(unacknowledged_.begin(),
                                  unacknowledged_.end(),
                                  [&](const auto& g) { return g.step == step_; });
  return static_cast<std::size_t>(sums) >= options_.blocks * steps_.at(step_).mine->spans.size();
}

// A run of operations of one microbatch, so that a killed shard's kernels end soon. With a delay
// one operation: of backward where it can be, else of forward. No order changes a result.
std::vector<layer_shard::operation> layer_shard::due() {
  if (options_.delay > 0) {
    const operation backward{step_, options_.backwards[next_]};
    if (can(backward)) return {backward};
    const operation forward{ahead_, options_.forwards[ahead_next_]};
    const bool within = ahead_ <= step_ + options_.delay && same_epoch(ahead_, step_);
    return within && can(forward) ? std::vector{forward} : std::vector<operation>{};
  }
  if (!begin(step_)) return {};
  if (depth_.value() > 0) return due_by_credit();
  const auto& computed = steps_.at(step_).computed;
  std::vector<operation> out;
  for (std::size_t i = next_; i < computed.size(); ++i) {
    const operation o{step_, i};
    if (computed[i]) continue; // not of its share, or while the list was not followed
    if (!out.empty() && at(o).microbatch != at(out.front()).microbatch) break;
    if (!can(o)) break;
    out.push_back(o);
  }
  return out;
}

std::vector<layer_shard::operation> layer_shard::due_by_credit() {
  for (const auto i : depth_.candidates(steps_.at(step_).computed)) {
    if (!can({step_, i})) continue;
    std::vector<operation> out;
    for (const auto each : depth_.run_of(i))
      out.push_back({step_, each});
    return out;
  }
  return {};
}

bool layer_shard::can(const operation& o) {
  if (!begin(o.step) || static_cast<std::int64_t>(o.step) > permitted_) return false;
  const auto& op = at(o);
  const auto& computed = steps_.at(o.step).computed;
  for (std::size_t i = 0; i < o.index; ++i) // with a delay, its forward pass may not be done
    if (options_.delay > 0 && options_.schedule[i].microbatch == op.microbatch &&
        options_.schedule[i].part == op.part && !computed[i])
      return false;
  if (op.kind != op_kind::forward && !has_residuals(o.step)) return false;
  if (op.kind == op_kind::forward && (options_.reads_input || options_.computes_loss) &&
      !batches_.contains({o.step, microbatch_of(o)}))
    return false;
  for (std::size_t c = 0; c < options_.crossings.size(); ++c)
    if (reads(op, static_cast<int>(c)) &&
        !values_.contains({o.step, microbatch_of(o), static_cast<int>(c)}))
      return false;
  return true;
}

// Whether its share and all blocks for the step are here; what the step needs is then on its way.
bool layer_shard::begin(std::uint64_t step) {
  if (steps_.contains(step)) return true;
  auto mine = shares_.of(step);
  const auto found = incoming_.find(version_for(step));
  if (!mine ||
      (options_.blocks > 0 && (found == incoming_.end() || found->second.size() < options_.blocks)))
    return false;
  auto& state = steps_[step];
  state.mine = std::move(mine);
  auto parameters = std::make_shared<std::vector<tensor>>(options_.own_blocks.size());
  state.computed.reserve(options_.schedule.size());
  for (const auto& op : options_.schedule)
    state.computed.push_back(op.microbatch >= state.mine->run.count);
  state.operations =
      static_cast<std::size_t>(std::count(state.computed.begin(), state.computed.end(), false));
  if (options_.blocks > 0)
    for (const auto& [block, value] : found->second)
      (*parameters)[static_cast<std::size_t>(block)] = value;
  state.parameters = std::move(parameters);
  // What belonged to older steps is in the parameters and can go; but for boundary values, which
  // other parts may still need.
  const auto oldest = version_for(step_);
  std::erase_if(unacknowledged_, [&](const protocol::gradient& g) {
    return g.step < (options_.pulls ? step_ : oldest);
  });
  incoming_.erase_below(oldest);
  batches_.erase_below({step_, 0});
  asked_.erase_below({step_, 0});
  values_.erase_below({step_, 0, 0});
  shares_.forget_before(step_);
  want_batches(step);
  return true;
}

bool layer_shard::same_epoch(std::uint64_t a, std::uint64_t b) const {
  return a / options_.steps_per_epoch == b / options_.steps_per_epoch;
}

// No delay reaches into the epoch before: its pipeline was drained for the evaluation.
std::uint64_t layer_shard::version_for(std::uint64_t step) const {
  return step - std::min(options_.delay, step % options_.steps_per_epoch);
}

void layer_shard::pull(std::uint64_t step) {
  if (step < pulled_ || options_.blocks == 0) return;
  pulled_ = step + 1;
  pull_from(step, nullptr);
}

// From all holders of its blocks, or only that one.
void layer_shard::pull_from(std::uint64_t step, const address* only) {
  std::map<address, std::map<int, std::uint64_t>> known;
  for (std::size_t b = 0; b < options_.own_blocks.size(); ++b) {
    if (!options_.own_blocks[b] || (only != nullptr && options_.holders[b] != *only)) continue;
    auto& of_holder = known[options_.holders[b]];
    if (const auto cached = cache_.find(static_cast<int>(b)); cached != cache_.end())
      of_holder[cached->first] = cached->second.first;
  }
  for (auto& [holder, versions] : known)
    world_.send(holder,
                protocol::pull_parameters{step, world_.self(), std::move(versions), recorded_});
}

// Up to and including those of step `last`, as far as it is dealt.
void layer_shard::want_batches(std::uint64_t last) {
  if (!options_.reads_input && !options_.computes_loss) return;
  for (wanted_ = std::max(wanted_, step_); wanted_ <= last; wanted_ += options_.every) {
    const auto mine = shares_.of(wanted_);
    if (!mine) return;
    for (std::uint32_t i = 0; i < mine->run.count && wanted_ < options_.steps; ++i) {
      const batch_key key{wanted_, mine->run.first + i};
      asked_[key] = prefetch_;
      ask(key);
    }
  }
}

void layer_shard::ask(const batch_key& key) {
  world_.send(place_.loader,
              protocol::want_batch{key.first, key.second, world_.self(), options_.reads_input});
}

bool layer_shard::reads(const schedule_op& op, int crossing) const {
  const auto& c = options_.crossings[static_cast<std::size_t>(crossing)];
  return c.to == op.part && (c.needed == pass::forward ? op.kind == op_kind::forward
                                                       : op.kind == op_kind::backward ||
                                                             op.kind == op_kind::backward_input);
}

shard_kernels::task layer_shard::task_of(const operation& o) const {
  const auto& op = at(o);
  shard_kernels::task out{op, microbatch_of(o), {}, {}};
  if (op.kind == op_kind::forward) {
    const auto edge = depth_of(op.part, 0); // with a delay, several steps are in flight
    out.in_flight_known =
        options_.delay > 0 ? no_bound : credit_.most(edge.kind, edge.from, edge.to, edge.bound);
  }
  if (const auto data = batches_.find({o.step, out.microbatch}); data != batches_.end())
    out.data = data->second;
  for (std::size_t c = 0; c < options_.crossings.size(); ++c)
    if (const auto value = values_.find({o.step, out.microbatch, static_cast<int>(c)});
        value != values_.end() && options_.crossings[c].to == op.part)
      out.values.emplace_back(c, value->second);
  return out;
}

// REQUIRES: operations of one step.
void layer_shard::compute(const std::vector<operation>& run) {
  busy_ = true;
  computing_ = run;
  computing_depth_ = depth_.value();
  kernels_began_.reset();
  const std::uint64_t number = run.front().step;
  auto& state = steps_.at(number);
  std::vector<shard_kernels::task> tasks;
  for (const operation& o : run) {
    tasks.push_back(task_of(o));
    state.computed[o.index] = true;
  }
  shard_kernels::step step{number,
                           options_.seed,
                           state.mine->spans,
                           options_.microbatches,
                           options_.first,
                           options_.codecs,
                           {}};
  if (residuals_of_step_ > 0 && has_residuals(number)) step.residuals = residuals_.at(number);
  world_.compute(
      lane::kernels,
      number,
      [number,
       lent = state.lent,
       pool = options_.kernels,
       operations = state.operations,
       timed = options_.dealt,
       step = std::move(step),
       parameters = state.parameters,
       tasks = std::move(tasks),
       criterion = options_.criterion](computation& here) {
        if (timed) here.post(protocol::operations_begun{step.number});
        const bool first = !lent->kernels;
        if (first) lent->kernels = pool->take();
        const shard_kernels::listener tell{
            [&](protocol::boundary b) { here.post(protocol::boundary_ready{std::move(b)}); },
            [&](protocol::gradient g) { here.post(protocol::gradient_ready{std::move(g)}); },
            [&](const protocol::microbatch_report& r) { here.post(r); },
            [&](protocol::residual r) { here.post(protocol::residual_ready{std::move(r)}); },
            [&](int part, std::uint64_t most) {
              here.post(protocol::depth_used{number, part, most});
            }};
        troupe::pool<shard_kernels>::with(lent->kernels, [&](shard_kernels& kernels) {
          if (first) {
            here.begin({work_kind::bind});
            kernels.begin(step, *parameters);
          }
          kernels.set_residuals(step.residuals);
          for (const auto& task : tasks) {
            if (here.cancelled()) break;
            here.begin(work_of(task));
            kernels.run(task, *criterion, tell, here.cancelled());
          }
          lent->operations += tasks.size();
          lent->in_flight = kernels.busy();
          lent->used = {{}, kernels.busy_most(), kernels.memory_bytes()};
        });
        if (lent->operations == operations) lent->kernels.reset();
        here.post(protocol::operations_done{step.number});
      });
  want_batches(number + prefetch_ * options_.every); // read while the kernels run
}

// The edge on which a part's microbatches are in flight: to the part after it.
protocol::credit_used layer_shard::depth_of(int part, std::uint64_t in_flight) const {
  const auto next = static_cast<std::size_t>(part) + 1;
  const auto& parts = place_.shard_of_part;
  return {credit_kind::depth,
          world_.self(),
          next < parts.size() ? parts[next] : world_.self(),
          depth_.bound(part, computing_depth_),
          in_flight};
}

void layer_shard::on(const protocol::depth_used& m) {
  if (!busy_ || m.step != computing_.front().step) return; // abandoned
  credit_.note(world_, depth_of(m.part, m.in_flight));
}

void layer_shard::on(const protocol::microbatch_report& m) {
  if (m.step >= recorded_) reports_.push_back(m);
  world_.send(options_.director, m);
}

void layer_shard::on(const protocol::boundary_ready& m) {
  const auto& crossing = options_.crossings[static_cast<std::size_t>(m.value.crossing)];
  if (m.value.step >= committed_) sent_.push_back(m.value);
  world_.send(place_.shard_of_part[static_cast<std::size_t>(crossing.to)], m.value);
}

void layer_shard::on(const protocol::gradient_ready& m) {
  unacknowledged_.push_back(m.value);
  hand_on(m.value);
}

// Who takes its gradients of a block: a worker's are updates as they are.
address layer_shard::summer_of(int block) const {
  return options_.pulls ? options_.holders[static_cast<std::size_t>(block)] : aggregator_of(block);
}

void layer_shard::hand_on(const protocol::gradient& g) {
  if (options_.pulls)
    world_.send(summer_of(g.block),
                protocol::reduced_gradient{g.step, g.block, g.value, {}, g.encoded});
  else
    world_.send(summer_of(g.block), g);
}

void layer_shard::on(const protocol::operations_begun& m) {
  if (busy_ && m.step == computing_.front().step) kernels_began_ = world_.now();
}

void layer_shard::on(const protocol::operations_done& m) {
  if (!busy_ || m.step != computing_.front().step) return; // abandoned
  busy_ = false;
  if (kernels_began_) computed_for_ += world_.now() - *kernels_began_;
  measure_memory();
  for (const operation& o : std::exchange(computing_, {})) {
    forget(o);
    if (options_.delay == 0) continue;
    if (at(o).kind != op_kind::forward) {
      ++next_;
    } else if (++ahead_next_ == options_.forwards.size()) {
      ahead_next_ = 0;
      ++ahead_;
    }
  }
  const std::size_t all =
      options_.delay == 0 ? options_.schedule.size() : options_.backwards.size();
  while (options_.delay == 0 && next_ < all && steps_.at(step_).computed[next_])
    ++next_;
  if (next_ == all) end_step();
  act();
}

void layer_shard::end_step() {
  tell_share(false);
  computed_for_ = {};
  steps_.erase(step_);
  next_ = 0;
  step_ += options_.every;
  tell_where();
  residuals_.erase(residuals_.begin(), residuals_.lower_bound(std::min(step_, committed_)));
  ahead_ = std::max(ahead_, step_);
}

// What an operation has read goes; for recomputation not before backward.
void layer_shard::forget(const operation& o) {
  const auto& op = at(o);
  const bool last = op.kind == op_kind::backward || op.kind == op_kind::backward_input;
  const auto& state = steps_.at(o.step);
  bool more = false; // of this microbatch
  for (std::size_t i = 0; i < state.computed.size(); ++i)
    more = more || (!state.computed[i] && options_.schedule[i].microbatch == op.microbatch);
  if (!more) batches_.erase({o.step, microbatch_of(o)});
  if (options_.recompute && !last) return;
  for (std::size_t c = 0; c < options_.crossings.size(); ++c)
    if (options_.crossings[c].to == op.part &&
        (last || options_.crossings[c].needed == pass::forward))
      values_.erase({o.step, microbatch_of(o), static_cast<int>(c)});
}

void layer_shard::on(const protocol::restarted& m) {
  if (m.who == place_.loader)
    for (const auto& [key, yes] : asked_) {
      const auto state = steps_.find(key.first);
      bool wanted = key.first >= step_ && !batches_.contains(key);
      for (std::size_t i = 0; wanted && state != steps_.end() && i < state->second.computed.size();
           ++i)
        if (microbatch_of({key.first, i}) == key.second && state->second.computed[i])
          wanted = false;
      if (wanted) ask(key);
    }
  if (m.who == options_.director) {
    for (const auto& report : reports_)
      world_.send(m.who, report);
    tell_where();
  }
  for (const auto& sent : unacknowledged_)
    if (summer_of(sent.block) == m.who) hand_on(sent);
  if (options_.pulls && m.who.role == role_kind::parameter_holder && pulled_ > step_ &&
      !steps_.contains(step_))
    pull_from(step_, &m.who);
  if (m.who == place_.keeper && residuals_of_step_ > 0) {
    for (const auto& [step, all] : residuals_)
      send_residuals(step);
    if (begun_ && !has_residuals(step_))
      world_.send(place_.keeper, protocol::want_residuals{world_.self(), step_});
  }
  for (const auto& sent : sent_) {
    const auto& crossing = options_.crossings[static_cast<std::size_t>(sent.crossing)];
    if (place_.shard_of_part[static_cast<std::size_t>(crossing.to)] == m.who)
      world_.send(m.who, sent);
  }
}

} // namespace troupe
