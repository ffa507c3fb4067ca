// A layer shard computes forward and backward of its microbatches, step after step. It holds
// nothing that must outlive a step: parameters come from the holders by version, batches from its
// loader by key, and its gradients are kept until the step they belong to is committed, so that
// they can be sent again.
//
// Act rule: microbatch m of step t is computed when t is permitted, all blocks of version t are
// here, the batch (t, m) is here and the kernels are idle.
#pragma once

#include "actors/address.hpp"
#include "actors/program_pool.hpp"
#include "actors/runtime/role.hpp"
#include "ops/loss.hpp"
#include "ops/reduction_tree.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

namespace troupe {

struct layer_shard_options {
  tree_span own;                  // its run of the microbatches of every batch
  std::uint32_t microbatches = 1; // of a batch, in all
  std::uint64_t seed = 0;
  std::shared_ptr<const loss> criterion;
  int blocks = 0;
  std::vector<address> aggregators; // by block
  std::vector<address> holders;
  address loader;
  address director;
  std::shared_ptr<program_pool> programs;
};

class layer_shard final : public role_of<layer_shard> {
public:
  layer_shard(context& world, layer_shard_options options);

  void started() override;
  void on(const protocol::begin_step& m);
  void on(const protocol::parameters& m);
  void on(const protocol::batch& m);
  void on(const protocol::microbatch_report& m);
  void on(const protocol::gradient_ready& m);
  void on(const protocol::microbatch_done& m);
  void on(const protocol::restarted& m);

  class local_sums; // of the gradients of this shard's microbatches; used by its computations only

private:
  void act();
  void begin_version(std::uint64_t version);
  void want_batches(std::uint64_t step);
  void ask(std::uint64_t step, std::uint32_t microbatch);
  void compute(std::uint32_t microbatch);

  context& world_;
  const layer_shard_options options_;
  std::int64_t permitted_ = -1; // last permitted step
  std::uint64_t step_ = 0;      // the step whose parameters are here, once complete_
  bool complete_ = false;
  std::map<std::uint64_t, std::map<int, tensor>>
      incoming_;                   // blocks of versions that are not complete
  std::vector<tensor> parameters_; // of step_
  std::map<std::pair<std::uint64_t, std::uint32_t>, microbatch_data> batches_;
  std::map<std::pair<std::uint64_t, std::uint32_t>, bool> asked_;
  std::uint32_t next_ = 0; // microbatch to compute, counted from own.first
  bool busy_ = false;
  std::vector<protocol::gradient> unacknowledged_; // sent in step_
  std::shared_ptr<program> program_;
  std::shared_ptr<local_sums> sums_;
};

} // namespace troupe
