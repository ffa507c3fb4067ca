// A job without any actor: one program, one loop. It says what the bits of a synchronous job are;
// every wiring must give the same ones. It shares with the actors what defines the bits (kernels,
// reader, tree, codec, optimizer, digest), and nothing of who computes what, in which order, or
// when.
//
// Stages that stash weights compute another result, by a rule of its own: the gradient of step t is
// taken with parameters that are, for those of stage s, min(stages - 1 - s, steps since the epoch
// began) updates old.
#pragma once

#include "actors/evaluator.hpp"
#include "ops/block_codec.hpp"
#include "ops/data/sampler.hpp"
#include "ops/optimizer.hpp"
#include "ops/parameter_layout.hpp"
#include "ops/program.hpp"
#include "ops/reduction_tree.hpp"
#include "troupe/casting.hpp"
#include "troupe/job.hpp"
#include "troupe/wiring.hpp"

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

namespace troupe::test {

struct reference_run {
  parameter_layout layout;
  std::vector<tensor> parameters;                   // after the last step
  std::vector<std::uint64_t> digests;               // of the parameters, after each step
  std::vector<double> losses;                       // of each step, mean over the batch
  std::vector<double> test_losses, test_accuracies; // at each epoch's end and the job's
};

// How many updates old the weights are that each parameter's gradient is taken with; empty: none.
inline std::vector<std::int64_t> delays_of(const wiring& w) {
  if (!w.stash_weights) return {};
  auto cut = compile_options_of(w);
  const graph g = graph_of(w.job);
  std::vector<std::int64_t> out;
  for (cut.part = 0; cut.part < w.stages; ++cut.part) {
    const auto part = compile_cpu(g, cut);
    out.resize(part->layout().specs.size(), 0);
    for (std::size_t p = 0; p < out.size(); ++p)
      if (part->owns(part->layout().places[p].block)) out[p] = w.stages - 1 - cut.part;
  }
  return out;
}

// REQUIRES: no islands with a codec or with delays.
class sequential_reference {
public:
  explicit sequential_reference(const job& j, std::vector<std::int64_t> delays = {})
      : job_(j),
        delays_(std::move(delays)),
        graph_(graph_of(j)),
        program_(compile_cpu(graph_, {.microbatch = j.batch / j.microbatches})),
        reader_(j.data.train,
                {j.batch,
                 j.microbatches,
                 j.shuffle,
                 j.balanced_sampling,
                 j.seed,
                 std::max(1U, j.outer.islands)},
                j.augment,
                j.loss,
                static_cast<int>(graph_.output().elements())) {
    out_.layout = program_->layout();
    out_.parameters = initial_parameters(out_.layout, j.seed);
    islands_.resize(std::max(1U, j.outer.islands));
    for (island& w : islands_)
      w = {out_.parameters, slots_of(j.optimizer)};
    outer_slots_ = slots_of(j.outer.rule);
    for (int b = 0; j.compression && b < std::ssize(out_.layout.blocks); ++b)
      codecs_.push_back(std::make_unique<block_codec>(j.compression, out_.layout, b));
    if (j.data.test)
      testing_ = compile_cpu(
          graph_,
          {.microbatch = evaluation_batch, .training = false, .layout = &program_->layout()});
  }

  reference_run run() {
    for (std::int64_t step = 0; step < job_.total_steps(); ++step) {
      if (!delays_.empty()) history_.push_back(islands_[0].parameters);
      for (std::uint32_t w = 0; w < islands_.size(); ++w)
        train(w, step);
      out_.losses.push_back(std::exchange(loss_, 0) / std::exchange(normaliser_, 0));
      if (job_.outer.islands > 0 && round_ends(step)) outer_step();
      note_digest();
      const auto done = step + 1;
      if (testing_ && (done % job_.steps_per_epoch() == 0 || done == job_.total_steps())) test();
    }
    out_.parameters = job_.outer.islands > 0 ? out_.parameters : islands_[0].parameters;
    return std::move(out_);
  }

  [[nodiscard]] const parameter_layout& layout() const { return out_.layout; }

  // The sum over all microbatches of a step, by block, of a job without islands.
  std::vector<tensor> gradients_at(std::vector<tensor> parameters, std::int64_t step) {
    islands_[0].parameters = std::move(parameters);
    return gradients_of(0, step);
  }

private:
  using block_slots = std::vector<std::vector<std::vector<float>>>; // by block, slot

  struct island {
    std::vector<tensor> parameters;
    block_slots slots;
  };

  // Of a step. With a codec, what it makes of the sum over each compressed node is summed on.
  struct tree_per_block final : gradient_sink {
    tree_per_block(sequential_reference& to, std::uint64_t t, std::uint32_t n)
        : all(to),
          step(t),
          trees(to.out_.layout.blocks.size(), tree_sum(n, {0, n})),
          sums(trees.size()) {}

    void on_gradient(int block, tensor gradient) override {
      if (all.codecs_.empty()) {
        add(block, {microbatch, 1}, std::move(gradient));
        return;
      }
      for (const tree_span& node : compressed_nodes(all.job_)) {
        if (microbatch < node.first || microbatch >= node.first + node.count) continue;
        auto& sum = nodes.try_emplace({block, node}, all.job_.microbatches, node).first->second;
        if (auto total = sum.add({microbatch, 1}, std::move(gradient)))
          add(block, node, all.through_codec(block, node, *total, step));
        return;
      }
    }

    void add(int block, tree_span span, tensor gradient) {
      const auto b = static_cast<std::size_t>(block);
      if (auto total = trees[b].add(span, std::move(gradient))) sums[b] = std::move(*total);
    }

    sequential_reference& all;
    std::uint64_t step;
    std::uint32_t microbatch = 0;
    std::vector<tree_sum> trees;
    std::vector<tensor> sums;
    std::map<std::pair<int, tree_span>, tree_sum> nodes;
  };

  tensor through_codec(int block, tree_span node, const tensor& gradient, std::uint64_t step) {
    const auto& codec = *codecs_[static_cast<std::size_t>(block)];
    auto& residual = residuals_[{block, node}];
    residual.resize(static_cast<std::size_t>(codec.residual_elements()), 0.0F);
    return codec.decode(codec.encode(gradient, residual, {job_.seed, step, 0, node.first}));
  }

  // What an island's gradient of a step is taken with.
  [[nodiscard]] std::vector<tensor> parameters_for(std::uint32_t w, std::int64_t step) const {
    if (delays_.empty()) return islands_[w].parameters;
    std::vector<std::vector<float>> mixed;
    for (std::size_t p = 0; p < delays_.size(); ++p) {
      const auto old = step - std::min(delays_[p], step % job_.steps_per_epoch());
      mixed.push_back(
          plain_values(out_.layout, static_cast<int>(p), history_[static_cast<std::size_t>(old)]));
    }
    return packed_blocks(out_.layout,
                         std::vector<std::span<const float>>(mixed.begin(), mixed.end()));
  }

  // Where islands are, they have just come together.
  void test() {
    testing_->bind(islands_[0].parameters);
    const auto sums = evaluate_part(*testing_,
                                    job_.loss,
                                    *job_.data.test,
                                    pixel_transform_of(*job_.data.train, job_.augment),
                                    0,
                                    1);
    double loss = 0;
    for (const double l : sums.losses)
      loss += l;
    out_.test_losses.push_back(loss / static_cast<double>(sums.images));
    out_.test_accuracies.push_back(static_cast<double>(sums.correct) /
                                   static_cast<double>(sums.images));
  }

  [[nodiscard]] block_slots slots_of(const optimizer& rule) const {
    block_slots out;
    for (const block_extent& b : out_.layout.blocks)
      out.emplace_back(static_cast<std::size_t>(slots(rule)),
                       std::vector<float>(static_cast<std::size_t>(b.trainable), 0.0F));
    return out;
  }

  [[nodiscard]] bool round_ends(std::int64_t step) const {
    const std::int64_t in_epoch = step % job_.steps_per_epoch() + 1;
    return in_epoch % job_.outer.every == 0 || in_epoch == job_.steps_per_epoch() ||
           step + 1 == job_.total_steps();
  }

  void train(std::uint32_t w, std::int64_t step) {
    const std::vector<tensor> sums = gradients_of(w, step);
    for (std::size_t b = 0; b < sums.size(); ++b)
      islands_[w].parameters[b] = updated(islands_[w], b, step, sums[b]);
  }

  // The sum over all microbatches of an island, by block; and the loss, noted.
  std::vector<tensor> gradients_of(std::uint32_t w, std::int64_t step) {
    const auto number = static_cast<std::uint64_t>(step);
    const std::uint32_t n = job_.microbatches / static_cast<std::uint32_t>(islands_.size());
    tree_per_block sink(*this, number, n);
    double normaliser = 1;
    const auto parameters = parameters_for(w, step);
    program_->bind(parameters);
    for (std::uint32_t m = w * n; m < (w + 1) * n; ++m) {
      const microbatch_data data = reader_.read(number, m);
      sink.microbatch = m - w * n;
      program_->forward(data.inputs, {job_.seed, number, m});
      loss_ += program_->compute_loss(job_.loss, data.targets, data.normaliser).sum;
      normaliser = data.normaliser;
      program_->backward(sink);
    }
    normaliser_ += normaliser;
    return std::move(sink.sums);
  }

  tensor updated(island& w, std::size_t block, std::int64_t step, const tensor& gradient) {
    const tensor& old = w.parameters[block];
    mutable_tensor next = stepped(job_.optimizer,
                                  job_.learning_rate.at(step, job_.total_steps()),
                                  step,
                                  block,
                                  old,
                                  gradient,
                                  w.slots[block]);
    // running = (1 - momentum) * running + momentum * mean over the microbatches
    const auto n = job_.microbatches / static_cast<std::uint32_t>(islands_.size());
    for_statistics(block, [&](std::int64_t i, const parameter_spec& spec) {
      const float measured = gradient.data()[i] / static_cast<float>(n);
      next.data()[i] = (1.0F - spec.momentum) * next.data()[i] + spec.momentum * measured;
    });
    return std::move(next).freeze();
  }

  mutable_tensor stepped(const optimizer& rule,
                         float rate,
                         std::int64_t step,
                         std::size_t block,
                         const tensor& old,
                         const tensor& gradient,
                         std::vector<std::vector<float>>& slots) const {
    const auto trainable = static_cast<std::size_t>(out_.layout.blocks[block].trainable);
    mutable_tensor next = buffer_pool::global().take(old.dims());
    std::copy_n(old.data(), old.elements(), next.data());
    std::vector<float*> state;
    for (auto& slot : slots)
      state.push_back(slot.data());
    update(rule,
           rate,
           step,
           old.values().first(trainable),
           gradient.values().first(trainable),
           next.values().first(trainable),
           state);
    return next;
  }

  template <class Do>
  void for_statistics(std::size_t block, Do each) const {
    for (const stored_range& r : out_.layout.ranges_of_block(static_cast<int>(block))) {
      const parameter_spec& spec = out_.layout.specs[static_cast<std::size_t>(r.parameter)];
      if (spec.kind != parameter_kind::statistic) continue;
      for (std::int64_t i = r.offset; i < r.offset + r.size; ++i)
        each(i, spec);
    }
  }

  // DiLoCo, algorithm 1, lines 12 to 14; statistics become their mean.
  void outer_step() {
    for (std::size_t b = 0; b < out_.parameters.size(); ++b) {
      const tensor old = out_.parameters[b];
      const tensor delta = sum_over_islands(b, [&](std::int64_t i, const tensor& gone) {
        return (old.data()[i] - gone.data()[i]) / static_cast<float>(islands_.size());
      });
      const tensor values = sum_over_islands(
          b, [](std::int64_t i, const tensor& measured) { return measured.data()[i]; });
      mutable_tensor next =
          stepped(job_.outer.rule, job_.outer.rate, rounds_, b, old, delta, outer_slots_[b]);
      for_statistics(b, [&](std::int64_t i, const parameter_spec&) {
        next.data()[i] = values.data()[i] / static_cast<float>(islands_.size());
      });
      out_.parameters[b] = std::move(next).freeze();
    }
    for (island& w : islands_)
      w.parameters = out_.parameters;
    ++rounds_;
  }

  template <class Value>
  tensor sum_over_islands(std::size_t block, Value value) {
    const auto w = static_cast<std::uint32_t>(islands_.size());
    tree_sum tree(w, {0, w});
    for (std::uint32_t i = 0; i < w; ++i) {
      const tensor& mine = islands_[i].parameters[block];
      mutable_tensor out = buffer_pool::global().take(mine.dims());
      for (std::int64_t k = 0; k < mine.elements(); ++k)
        out.data()[k] = value(k, mine);
      if (auto total = tree.add({i, 1}, std::move(out).freeze())) return *total;
    }
    return {};
  }

  void note_digest() {
    std::vector<std::uint64_t> all;
    for (const island& w : islands_)
      all.push_back(parameter_digest(out_.layout, w.parameters));
    const bool same = std::count(all.begin(), all.end(), all[0]) == std::ssize(all);
    out_.digests.push_back(same ? all[0]
                                : std::accumulate(all.begin(), all.end(), std::uint64_t{0}));
  }

  const job& job_;
  const std::vector<std::int64_t> delays_; // by parameter
  graph graph_;
  std::unique_ptr<program> program_;
  microbatch_reader reader_;
  reference_run out_; // its parameters are the outer ones
  std::vector<island> islands_;
  block_slots outer_slots_;
  std::int64_t rounds_ = 0;
  double loss_ = 0, normaliser_ = 0;
  std::vector<std::unique_ptr<block_codec>> codecs_; // by block; empty: none
  std::map<std::pair<int, tree_span>, std::vector<float>> residuals_;
  std::vector<std::vector<tensor>> history_; // by step; with delays
  std::unique_ptr<program> testing_;
};

inline reference_run play_sequentially(const job& j, std::vector<std::int64_t> delays = {}) {
  return sequential_reference(j, std::move(delays)).run();
}

} // namespace troupe::test
