// A layer shard computes one part of the model, or several, for a run of the microbatches of every
// batch, in the order of a schedule. It holds nothing that must outlive a step: parameters come
// from the holders by version, batches from its loader by key, boundary values from the shards of
// the other parts, and what it has sent itself is kept until the step is committed, so that it can
// be sent again.
//
// Act rule: the next operation of the schedule is computed when its step is permitted, all blocks
// of its parameters are here, what it reads is here, and the kernels are idle.
#pragma once

#include "actors/address.hpp"
#include "actors/pool.hpp"
#include "actors/runtime/role.hpp"
#include "actors/shard_kernels.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <tuple>
#include <vector>

namespace troupe {

struct layer_shard_options {
  tree_span own;                  // its run of the microbatches of every batch
  std::uint32_t microbatches = 1; // of a batch, in all
  std::uint64_t seed = 0;
  std::shared_ptr<const loss> criterion;
  std::vector<schedule_op> schedule; // of a step; microbatches counted from own.first
  bool reads_input = true, computes_loss = true;
  std::vector<crossing> crossings;    // of the model
  std::vector<address> shard_of_part; // of its replica
  bool recompute = false;
  std::vector<bool> own_blocks;     // by block: has parameters of its parts
  std::vector<address> aggregators; // by block
  std::vector<address> holders;     // of its blocks
  address loader;
  address director;
  std::shared_ptr<pool<shard_kernels>> kernels;
};

class layer_shard final : public role_of<layer_shard> {
public:
  layer_shard(context& world, layer_shard_options options);

  void started() override;
  void on(const protocol::begin_step& m);
  void on(const protocol::parameters& m);
  void on(const protocol::batch& m);
  void on(const protocol::boundary& m);
  void on(const protocol::boundary_ready& m);
  void on(const protocol::microbatch_report& m);
  void on(const protocol::gradient_ready& m);
  void on(const protocol::operations_done& m);
  void on(const protocol::restarted& m);

private:
  using batch_key = std::pair<std::uint64_t, std::uint32_t>;       // step, microbatch
  using value_key = std::tuple<std::uint64_t, std::uint32_t, int>; // and crossing

  void act();
  void advance();
  void begin(std::uint64_t step);
  void want_batches(std::uint64_t step);
  void ask(const batch_key& key);
  [[nodiscard]] bool ready(const schedule_op& op) const;
  [[nodiscard]] shard_kernels::task task_of(const schedule_op& op) const;
  [[nodiscard]] bool reads(const schedule_op& op, int crossing) const;
  void compute(std::size_t last);
  void forget(const schedule_op& op);

  [[nodiscard]] std::uint32_t microbatch_of(const schedule_op& op) const {
    return options_.own.first + op.microbatch;
  }

  context& world_;
  const layer_shard_options options_;
  int blocks_ = 0;              // of its own
  std::int64_t permitted_ = -1; // last permitted step
  std::uint64_t committed_ = 0; // steps that need nobody any more
  std::uint64_t step_ = 0;      // whose parameters are here, once has_step_
  bool has_step_ = false;
  std::size_t next_ = 0;      // operation of the schedule
  std::size_t computing_ = 0; // operations below are done or being computed
  bool busy_ = false;
  std::map<std::uint64_t, std::map<int, tensor>> incoming_; // blocks for steps that have not begun
  std::vector<tensor> parameters_;                          // of step_
  std::map<batch_key, microbatch_data> batches_;
  std::map<batch_key, bool> asked_;
  std::map<value_key, tensor> values_;             // that have not been read
  std::vector<protocol::boundary> sent_;           // of steps that are not committed
  std::vector<protocol::gradient> unacknowledged_; // sent in step_
  std::shared_ptr<shard_kernels> kernels_;
};

} // namespace troupe
