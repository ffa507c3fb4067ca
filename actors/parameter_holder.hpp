// A parameter holder owns some blocks of the parameters: the values, the optimizer's state and the
// version. It applies the summed gradient of a step once and publishes the new version as an
// immutable tensor: nobody ever sees half of an update. It keeps the version before, too. A shard
// that dies when some blocks of a step are applied and others are not must compute that step again,
// from parameters of one version.
//
// Synchronous: step t makes version t + 1. Asynchronous: the updates of workers are applied as they
// come, each once (a ledger of clocks per block), and a worker's pull is answered when its
// staleness bound allows it. The bound is a dial: what is in force when a pull is answered counts.
// Who pulls for the same step again, a worker's new incarnation, gets the same version, also of a
// block whose update is applied and of which the next step was read: its other stages have computed
// a part of the step with it, and may need more.
//
// Islands: each has holders of its own, and others hold the outer parameters. To these, an island's
// holder is what a layer shard is to it: at the end of a round it sends how far it has come as a
// gradient, and the version that it publishes is what it gets back.
#pragma once

#include "actors/address.hpp"
#include "actors/block_update.hpp"
#include "actors/clock_ledger.hpp"
#include "actors/consistency.hpp"
#include "actors/credit_ledger.hpp"
#include "actors/outer_rounds.hpp"
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
  // Of an island: the outer parameters, and what the codec has left out of the last delta.
  tensor round_start, residual;
};

struct parameter_holder_options {
  std::uint64_t version = 0;
  std::vector<held_block> blocks;
  std::shared_ptr<const parameter_layout> layout;
  optimizer rule;
  learning_rate rate;
  std::int64_t total_steps = 0;
  std::uint32_t microbatches = 1;
  std::vector<std::vector<address>> readers; // layer shards, or holders of islands, by block
  address director;
  int parts_max = 1; // computations that may share the update of a big block
  std::size_t versions_kept = 2;
  consistency order;
  std::uint64_t workers = 1; // whose updates are applied as they come
  // By block; of workers' gradients, of an island's deltas.
  std::vector<std::shared_ptr<const block_codec>> codecs = {};
  std::uint32_t islands = 0; // 0: none
  std::uint32_t island = 0;  // from 1; 0: the outer parameters, a version of which is a round's
  outer_rounds rounds = {};
  std::vector<address> outer_aggregators = {}; // of an island, by block
  std::uint64_t seed = 0;
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
  void on(const protocol::parameters& m);
  void on(const protocol::restarted& m);

private:
  struct worker_read {
    std::uint64_t version = 0;
    std::uint64_t lead = 0; // clocks before the slowest worker
    std::uint64_t lead_bound = no_bound;
    tensor parameters;
  };

  // How an island's block takes part in outer steps. Computations, which may outlive the holder,
  // touch its residual alone.
  struct outer_step {
    tensor round_start;      // the outer parameters
    mutable_tensor residual; // where the codec has them; of the computation, in a round's last step
    protocol::gradient sent; // empty value: the round goes on
    tensor adopted;          // what came back, while it is being hashed
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
    std::map<std::uint64_t, worker_read> reads; // by step; from each worker's last applied one on
    std::vector<protocol::pull_parameters> pulls;
    std::shared_ptr<outer_step> outer; // of an island
  };

  [[nodiscard]] std::uint64_t next_step(const block_state& block) const;
  [[nodiscard]] std::shared_ptr<const block_codec> codec_of(int block) const;
  void update_next(int block);
  void begin_update(int block, const protocol::reduced_gradient& m);
  void compute_update(int block, bool encoded);
  void publish(int block, tensor parameters);
  void send_delta(int block);
  void correct_staleness(block_state& block, block_update& update) const;
  void answer_pulls(int block);
  static void apply_clock(block_state& block);
  worker_read read_now(int block, const protocol::pull_parameters& p);

  context& world_;
  const parameter_holder_options options_;
  consistency order_; // in force; a dial changes its bound
  std::uint64_t revision_ = 0;
  credit_ledger credit_;
  std::map<int, block_state> blocks_;
};

} // namespace troupe
