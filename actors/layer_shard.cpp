#include "actors/layer_shard.hpp"

#include "ops/assert.hpp"

#include <utility>

namespace troupe {

// One tree_sum per block and node of the tree that the shard owns. Computations of a shard run one
// after the other, so no lock is needed.
class layer_shard::local_sums {
public:
  local_sums(std::uint32_t microbatches, tree_span own, int blocks) {
    for (const auto& span : tree_cover_below_root(microbatches, own))
      for (int b = 0; b < blocks; ++b)
        sums_.emplace(std::pair{b, span}, tree_sum(microbatches, span));
  }

  // The gradient to send once the microbatch completes a node.
  std::optional<protocol::gradient>
  add(std::uint64_t step, std::uint32_t microbatch, int block, tensor value) {
    for (auto& [key, sum] : sums_) {
      const auto& [b, span] = key;
      if (b != block || microbatch < span.first || microbatch >= span.first + span.count) continue;
      if (auto total = sum.add({microbatch, 1}, std::move(value)))
        return protocol::gradient{step, block, span, std::move(*total)};
      return std::nullopt;
    }
    return std::nullopt;
  }

  void clear() {
    for (auto& [key, sum] : sums_)
      sum.clear();
  }

private:
  std::map<std::pair<int, tree_span>, tree_sum> sums_;
};

layer_shard::layer_shard(context& world, layer_shard_options options)
    : world_(world),
      options_(std::move(options)),
      sums_(std::make_shared<local_sums>(options_.microbatches, options_.own, options_.blocks)) {}

void layer_shard::started() {
  for (const auto& holder : options_.holders)
    world_.send(holder, protocol::want_parameters{world_.self()});
}

void layer_shard::on(const protocol::begin_step& m) {
  permitted_ = std::max(permitted_, static_cast<std::int64_t>(m.step));
  act();
}

void layer_shard::on(const protocol::parameters& m) {
  if (complete_ && m.version <= step_) return;
  auto& blocks = incoming_[m.version];
  blocks[m.block] = m.value;
  if (blocks.size() != static_cast<std::size_t>(options_.blocks)) return;
  begin_version(m.version);
  act();
}

// All blocks of a new version are here: what belonged to older steps is committed and can go.
void layer_shard::begin_version(std::uint64_t version) {
  step_ = version;
  complete_ = true;
  next_ = 0;
  unacknowledged_.clear();
  parameters_.clear();
  for (const auto& [block, value] : incoming_[version])
    parameters_.push_back(value);
  incoming_.erase(incoming_.begin(), incoming_.upper_bound(version));
  batches_.erase(batches_.begin(), batches_.lower_bound({step_, 0}));
  asked_.erase(asked_.begin(), asked_.lower_bound({step_, 0}));
  want_batches(step_);
}

void layer_shard::want_batches(std::uint64_t step) {
  for (std::uint32_t i = 0; i < options_.own.count; ++i) {
    const std::uint32_t microbatch = options_.own.first + i;
    if (!std::exchange(asked_[{step, microbatch}], true)) ask(step, microbatch);
  }
}

void layer_shard::ask(std::uint64_t step, std::uint32_t microbatch) {
  world_.send(options_.loader, protocol::want_batch{step, microbatch, world_.self()});
}

void layer_shard::on(const protocol::batch& m) {
  if (m.step >= step_) batches_.try_emplace({m.step, m.microbatch}, m.data);
  act();
}

void layer_shard::act() {
  if (busy_ || !complete_ || next_ == options_.own.count) return;
  if (permitted_ < static_cast<std::int64_t>(step_)) return;
  const std::uint32_t microbatch = options_.own.first + next_;
  if (!batches_.contains({step_, microbatch})) return;
  compute(microbatch);
  want_batches(step_ + 1); // prefetch: read while the kernels run
}

void layer_shard::compute(std::uint32_t microbatch) {
  struct sink final : gradient_sink {
    computation& here;
    local_sums& sums;
    std::uint64_t step;
    std::uint32_t microbatch;

    sink(computation& c, local_sums& s, std::uint64_t t, std::uint32_t m)
        : here(c), sums(s), step(t), microbatch(m) {}

    void on_gradient(int block, tensor value) override {
      if (auto total = sums.add(step, microbatch, block, std::move(value)))
        here.post(protocol::gradient_ready{std::move(*total)});
    }
  };

  busy_ = true;
  if (!program_) program_ = options_.programs->take();
  world_.compute(lane::kernels,
                 [program = program_,
                  sums = sums_,
                  first = next_ == 0,
                  parameters = parameters_,
                  data = batches_.at({step_, microbatch}),
                  criterion = options_.criterion,
                  key = microbatch_key{options_.seed, step_, microbatch}](computation& here) {
                   program->cancel_when(&here.cancelled());
                   if (first) {
                     sums->clear();
                     program->bind(parameters);
                   }
                   program->forward(data.inputs, key);
                   const auto value =
                       program->compute_loss(*criterion, data.targets, data.normaliser);
                   here.post(protocol::microbatch_report{
                       key.step, key.microbatch, value.sum, data.normaliser, value.correct});
                   sink gradients(here, *sums, key.step, key.microbatch);
                   program->backward(gradients);
                   program->cancel_when(nullptr);
                   here.post(protocol::microbatch_done{key.step, key.microbatch});
                 });
}

void layer_shard::on(const protocol::microbatch_report& m) {
  world_.send(options_.director, m);
}

void layer_shard::on(const protocol::gradient_ready& m) {
  const auto& aggregator = options_.aggregators[static_cast<std::size_t>(m.value.block)];
  unacknowledged_.push_back(m.value);
  world_.send(aggregator, m.value);
}

void layer_shard::on(const protocol::microbatch_done& m) {
  batches_.erase({m.step, m.microbatch});
  busy_ = false;
  if (m.step == step_) ++next_; // else the step was committed before this message came
  act();
}

void layer_shard::on(const protocol::restarted& m) {
  if (m.who == options_.loader) {
    for (const auto& [key, yes] : asked_)
      if (!batches_.contains(key) &&
          (key.first > step_ || key.second >= options_.own.first + next_))
        ask(key.first, key.second);
  }
  for (const auto& sent : unacknowledged_)
    if (options_.aggregators[static_cast<std::size_t>(sent.block)] == m.who)
      world_.send(m.who, sent);
}

} // namespace troupe
