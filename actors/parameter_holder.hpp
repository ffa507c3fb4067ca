// A parameter holder owns some blocks of the parameters: the values, the optimizer's state and the
// version. It applies the summed gradient of a step once and publishes the new version as an
// immutable tensor: nobody ever sees half of an update. It keeps the version before, too. A shard
// that dies when some blocks of a step are applied and others are not must compute that step again,
// from parameters of one version.
//
// Statistics (batch norm's running mean and variance) live at the end of a block. Their "gradient"
// is the sum over the microbatches of what each measured; they follow it by their momentum.
#pragma once

#include "actors/address.hpp"
#include "actors/runtime/role.hpp"
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
};

class parameter_holder final : public role_of<parameter_holder> {
public:
  parameter_holder(context& world, parameter_holder_options options);

  void on(const protocol::reduced_gradient& m);
  void on(const protocol::updated& m);
  void on(const protocol::want_parameters& m);
  void on(const protocol::want_state& m);

private:
  struct block_rule;
  struct block_update;

  struct block_state {
    std::uint64_t version = 0;
    tensor parameters;
    tensor previous;                      // of version - 1; empty before the first update
    std::shared_ptr<block_rule> rule;     // optimizer state
    std::shared_ptr<block_update> update; // null: idle
    int parts_left = 0;
  };

  context& world_;
  const parameter_holder_options options_;
  std::map<int, block_state> blocks_;
};

} // namespace troupe
