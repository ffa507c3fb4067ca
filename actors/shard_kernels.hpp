// What a layer shard computes with: the programs of its parts, one per microbatch in flight, and
// the sums of the gradients of its microbatches. It belongs to one shard at a time and is used by
// its computations, which run one after the other.
#pragma once

#include "actors/protocol/layer_shard.hpp"
#include "actors/protocol/residual_keeper.hpp"
#include "actors/schedule_op.hpp"
#include "ops/block_codec.hpp"
#include "ops/data/sampler.hpp"
#include "ops/loss.hpp"
#include "ops/program.hpp"
#include "ops/reduction_tree.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace troupe {

class shard_kernels {
public:
  struct part {
    int index = 0;
    std::vector<std::unique_ptr<program>> in_flight; // siblings
  };

  // `recompute`: forward keeps nothing, and is run again right before backward; then one program
  // per part does.
  explicit shard_kernels(std::vector<part> parts, bool recompute = false);

  // Who hears what is computed, while it is computed.
  struct listener {
    std::function<void(protocol::boundary)> on_boundary;
    std::function<void(protocol::gradient)> on_gradient;
    std::function<void(protocol::microbatch_report)> on_report;
    std::function<void(protocol::residual)> on_residual;
    std::function<void(int part, std::uint64_t in_flight)> on_in_flight; // a new most
  };

  struct step {
    std::uint64_t number = 0;
    std::uint64_t seed = 0;
    std::vector<tree_span> spans;   // whose gradients are summed here and handed on
    std::uint32_t microbatches = 1; // that the reduction tree is over,
    std::uint32_t first = 0;        // from this one of the batch on: an island's
    // By block; empty: gradients are handed on as they are.
    std::vector<std::shared_ptr<const block_codec>> codecs;
    std::map<std::pair<int, std::uint32_t>, tensor> residuals; // by block and first of the span
  };

  // Drops what is left of another step. One tensor per block of the model; those of other parts may
  // be empty.
  void begin(const step& next, std::span<const tensor> parameters);

  void set_residuals(std::map<std::pair<int, std::uint32_t>, tensor> residuals) {
    step_.residuals = std::move(residuals);
  }

  struct task {
    schedule_op op;
    std::uint32_t microbatch = 0; // of the batch
    microbatch_data data;         // where the part reads the input or computes the loss
    std::vector<std::pair<int, tensor>> values; // by crossing; with recompute, backward gets those
                                                // of forward too
    std::uint64_t in_flight_known = 0;          // of forward: on_in_flight hears of more
  };

  // REQUIRES: begin(); the schedule's order of each microbatch.
  void
  run(const task& t, const loss& criterion, const listener& out, const std::atomic<bool>& cancel);

  [[nodiscard]] const std::vector<part>& parts() const { return parts_; }

  // Programs that keep activations, of all parts: now, and the most since begin().
  [[nodiscard]] int busy() const { return static_cast<int>(busy_.size()); }

  [[nodiscard]] int busy_most() const { return busy_most_; }

  [[nodiscard]] std::size_t memory_bytes() const; // of all programs

private:
  [[nodiscard]] bool is_bound(std::span<const tensor> parameters) const;
  program& program_of(const schedule_op& op);
  void release(const schedule_op& op);
  void count(const task& t, const listener& out);
  void forward(program& p, const task& t, value_sink& values) const;
  void backward(program& p, const task& t, value_sink& values, const listener& out);
  void hand_on(int block, tree_span span, tensor total, const listener& out) const;
  std::optional<tensor> add(int block, std::uint32_t of_batch, tensor gradient, tree_span& span);

  std::vector<part> parts_;
  bool recompute_;
  step step_;
  std::vector<tensor> bound_; // kept: what is made of them stays good while they live
  std::map<std::pair<int, std::uint32_t>, program*> busy_; // by part and microbatch
  int busy_most_ = 0;
  std::map<int, std::vector<program*>> free_;            // by part
  std::map<std::pair<int, std::size_t>, tree_sum> sums_; // by block and place in step_.spans
  std::map<int, std::uint64_t> in_flight_; // by part: gone forward, and not back to the end
};

} // namespace troupe
