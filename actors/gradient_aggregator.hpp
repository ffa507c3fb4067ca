// A gradient aggregator adds up the gradients of its blocks over all microbatches in the canonical
// tree, as they arrive, and hands the last two sums to the holder of the block, who adds them. It
// holds nothing that cannot be sent again.
#pragma once

#include "actors/address.hpp"
#include "actors/runtime/role.hpp"
#include "ops/block_codec.hpp"
#include "ops/reduction_tree.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

namespace troupe {

struct gradient_aggregator_options {
  std::uint32_t microbatches = 1;
  std::vector<address> holders;      // by block
  std::uint64_t steps_in_flight = 1; // whose gradients may come at the same time
  std::vector<std::shared_ptr<const block_codec>> codecs = {}; // by block; empty: none
};

class gradient_aggregator final : public role_of<gradient_aggregator> {
public:
  gradient_aggregator(context& world, gradient_aggregator_options options);

  void on(const protocol::gradient& m);
  void on(const protocol::summed& m);

private:
  struct subtrees;

  struct step_sum {
    std::shared_ptr<subtrees> sums;
    std::vector<protocol::gradient> arrived;
    bool busy = false;
    bool handed_on = false;
  };

  void act(std::uint64_t step, int block);

  context& world_;
  const gradient_aggregator_options options_;
  std::map<int, std::map<std::uint64_t, step_sum>> blocks_;
};

} // namespace troupe
