// A job without any actor: one program, one loop. It says what the bits of a synchronous job are;
// every wiring must give the same ones. It shares with the actors what defines the bits (kernels,
// reader, tree, optimizer, digest), and nothing of who computes what, in which order, or when.
#pragma once

#include "ops/data/sampler.hpp"
#include "ops/optimizer.hpp"
#include "ops/parameter_layout.hpp"
#include "ops/program.hpp"
#include "ops/reduction_tree.hpp"
#include "troupe/job.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace troupe::test {

struct reference_run {
  parameter_layout layout;
  std::vector<tensor> parameters;     // after the last step
  std::vector<std::uint64_t> digests; // of the parameters, after each step
  std::vector<double> losses;         // of each step, mean over the batch
};

class sequential_reference {
public:
  explicit sequential_reference(const job& j)
      : job_(j),
        graph_(build_graph(j.model, j.data.train->image)),
        program_(compile_cpu(graph_, {.microbatch = j.batch / j.microbatches})),
        reader_(j.data.train,
                {j.batch, j.microbatches, j.shuffle, j.balanced_sampling, j.seed},
                j.augment,
                j.loss,
                static_cast<int>(graph_.output().elements())) {
    out_.layout = program_->layout();
    out_.parameters = initial_parameters(out_.layout, j.seed);
    for (const block_extent& b : out_.layout.blocks)
      slots_.emplace_back(static_cast<std::size_t>(slots(j.optimizer)),
                          std::vector<float>(static_cast<std::size_t>(b.trainable), 0.0F));
  }

  reference_run run() {
    for (std::int64_t step = 0; step < job_.total_steps(); ++step) {
      const std::vector<tensor> sums = gradients_of(step);
      for (std::size_t b = 0; b < sums.size(); ++b)
        out_.parameters[b] = updated(b, step, sums[b]);
      out_.digests.push_back(parameter_digest(out_.layout, out_.parameters));
    }
    return std::move(out_);
  }

private:
  struct tree_per_block final : gradient_sink {
    tree_per_block(std::size_t blocks, std::uint32_t n)
        : trees(blocks, tree_sum(n, {0, n})), sums(blocks) {}

    void on_gradient(int block, tensor gradient) override {
      const auto b = static_cast<std::size_t>(block);
      if (auto total = trees[b].add({microbatch, 1}, std::move(gradient)))
        sums[b] = std::move(*total);
    }

    std::uint32_t microbatch = 0;
    std::vector<tree_sum> trees;
    std::vector<tensor> sums;
  };

  // The sum over all microbatches, by block; and the loss, noted.
  std::vector<tensor> gradients_of(std::int64_t step) {
    const auto number = static_cast<std::uint64_t>(step);
    tree_per_block sink(out_.layout.blocks.size(), job_.microbatches);
    double loss = 0, normaliser = 1;
    program_->bind(out_.parameters);
    for (std::uint32_t m = 0; m < job_.microbatches; ++m) {
      const microbatch_data data = reader_.read(number, m);
      sink.microbatch = m;
      program_->forward(data.inputs, {job_.seed, number, m});
      loss += program_->compute_loss(job_.loss, data.targets, data.normaliser).sum;
      normaliser = data.normaliser;
      program_->backward(sink);
    }
    out_.losses.push_back(loss / normaliser);
    return std::move(sink.sums);
  }

  tensor updated(std::size_t block, std::int64_t step, const tensor& gradient) {
    const tensor& old = out_.parameters[block];
    const auto trainable = static_cast<std::size_t>(out_.layout.blocks[block].trainable);
    mutable_tensor next = buffer_pool::global().take(old.dims());
    std::copy_n(old.data(), old.elements(), next.data());
    std::vector<float*> state;
    for (auto& slot : slots_[block])
      state.push_back(slot.data());
    update(job_.optimizer,
           job_.learning_rate.at(step, job_.total_steps()),
           step,
           old.values().first(trainable),
           gradient.values().first(trainable),
           next.values().first(trainable),
           state);
    follow(block, gradient, next);
    return std::move(next).freeze();
  }

  // running = (1 - momentum) * running + momentum * mean over the microbatches
  void follow(std::size_t block, const tensor& gradient, mutable_tensor& next) const {
    for (const stored_range& r : out_.layout.ranges_of_block(static_cast<int>(block))) {
      const parameter_spec& spec = out_.layout.specs[static_cast<std::size_t>(r.parameter)];
      if (spec.kind != parameter_kind::statistic) continue;
      for (std::int64_t i = r.offset; i < r.offset + r.size; ++i) {
        const float measured = gradient.data()[i] / static_cast<float>(job_.microbatches);
        next.data()[i] = (1.0F - spec.momentum) * next.data()[i] + spec.momentum * measured;
      }
    }
  }

  const job& job_;
  graph graph_;
  std::unique_ptr<program> program_;
  microbatch_reader reader_;
  reference_run out_;
  std::vector<std::vector<std::vector<float>>> slots_; // by block, slot
};

inline reference_run play_sequentially(const job& j) {
  return sequential_reference(j).run();
}

} // namespace troupe::test
