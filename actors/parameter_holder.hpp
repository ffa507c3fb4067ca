// A parameter holder owns some blocks of the parameters: the values, the optimizer's state and the
// version. It applies the summed gradient of a step once and publishes the new version as an
// immutable tensor: nobody ever sees half of an update. It keeps the version before, too. A shard
// that dies when some blocks of a step are applied and others are not must compute that step again,
// from parameters of one version.
//
// Synchronous: step t makes version t + 1. Asynchronous: the updates of workers are applied as they
// come, each once (a ledger of clocks per block), and a worker's pull is answered when its
// staleness bound allows it. The bound is a dial: what is in force when a pull is answered counts.
#pragma once

#include "actors/address.hpp"
#include "actors/block_update.hpp"
#include "actors/clock_ledger.hpp"
#include "actors/consistency.hpp"
#include "actors/credit_ledger.hpp"
#include "actors/runtime/role.hpp"
#include "ops/block_codec.hpp"
#include "ops/learning_rate.hpp"
#include "ops/optimizer.hpp"
#include "ops/parameter_layout.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

namespace troupe {

struct held_block {
  int block = 0;
  tensor parameters;         // of `version`
  std::vector<tensor> slots; // optimizer state to start from; empty: zeros
};

struct parameter_holder_options {
  std::uint64_t version = 0;
  std::vector<held_block> blocks;
  std::shared_ptr<const parameter_layout> layout;
  optimizer rule;
  learning_rate rate;
  std::int64_t total_steps = 0;
  std::uint32_t microbatches = 1;
  std::vector<std::vector<address>> readers; // layer shards, by block
  address director;
  int parts_max = 1; // computations that may share the update of a big block
  std::size_t versions_kept = 2;
  consistency order;
  std::uint64_t workers = 1; // whose updates are applied as they come
  std::vector<std::shared_ptr<const block_codec>> codecs = {}; // by block; of workers' gradients
};

class parameter_holder final : public role_of<parameter_holder> {
public:
  parameter_holder(context& world, parameter_holder_options options);

  void on(const protocol::reduced_gradient& m);
  void on(const protocol::updated& m);
  void on(const protocol::want_parameters& m);
  void on(const protocol::pull_parameters& m);
  void on(const protocol::want_state& m);
  void on(const protocol::set_credit& m);

private:
  struct worker_read {
    std::uint64_t version = 0;
    std::uint64_t lead = 0; // clocks before the slowest worker
    std::uint64_t lead_bound = no_bound;
    tensor parameters;
  };

  struct block_state {
    std::uint64_t version = 0; // updates applied
    std::map<std::uint64_t, tensor> versions;
    std::shared_ptr<block_rule> rule;     // optimizer state
    std::shared_ptr<block_update> update; // null: idle
    int parts_left = 0;
    protocol::committed updating;
    std::map<std::uint64_t, protocol::reduced_gradient> waiting; // by step, or by arrival
    std::uint64_t arrivals = 0;
    clock_ledger clocks;
    std::map<std::uint64_t, worker_read> reads; // by worker
    std::vector<protocol::pull_parameters> pulls;
  };

  void update_next(int block);
  void correct_staleness(block_state& block, block_update& update) const;
  void answer_pulls(int block);

  context& world_;
  const parameter_holder_options options_;
  consistency order_; // in force; a dial changes its bound
  std::uint64_t revision_ = 0;
  credit_ledger credit_;
  std::map<int, block_state> blocks_;
};

} // namespace troupe
