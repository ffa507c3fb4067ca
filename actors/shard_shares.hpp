// What a layer shard computes of each step: as wired, or as the director deals it step by step.
#pragma once

#include "ops/reduction_tree.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

namespace troupe {

struct shard_share {
  tree_span run;                // of the microbatches of the batch
  std::vector<tree_span> spans; // its nodes of the reduction tree, whose sums are handed on
};

class shard_shares {
public:
  explicit shard_shares(shard_share wired); // of every step

  // Shares of a batch, runs of whole `nodes` of its reduction tree (none: of any microbatches).
  shard_shares(std::uint32_t microbatches, std::vector<tree_span> nodes);

  void deal(std::uint64_t step, tree_span run);
  void forget_before(std::uint64_t step);
  [[nodiscard]] std::shared_ptr<const shard_share> of(std::uint64_t step) const; // null: not dealt

private:
  [[nodiscard]] shard_share made(tree_span run) const;

  std::shared_ptr<const shard_share> wired_;
  std::uint32_t microbatches_ = 1;
  std::vector<tree_span> nodes_;
  std::shared_ptr<const shard_share> newest_;
  std::map<std::uint64_t, std::shared_ptr<const shard_share>> dealt_;
};

} // namespace troupe
