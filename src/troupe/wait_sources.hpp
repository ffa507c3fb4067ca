// Who says what in a job: roles know what they wait for, and the wiring who will say it.
#pragma once

#include "actors/wait_graph.hpp"
#include "ops/reduction_tree.hpp"

#include <cstdint>
#include <memory>
#include <vector>

namespace troupe {

struct wait_sources {
  struct shard {
    address where;
    tree_span run; // of the microbatches of the batch, as wired
    int group = 0;
    std::uint32_t island = 0;
    bool computes_loss = false;
    std::shared_ptr<const std::vector<bool>> own_blocks;
  };

  // By block; without islands, or of the outer parameters, and of each island.
  struct owners {
    std::vector<address> holders, aggregators;
  };

  std::vector<owners> of_island;
  std::vector<shard> shards;
  std::uint64_t workers = 0; // 0: synchronous
  std::uint32_t microbatches = 1, microbatches_of_island = 1;
  bool dealt = false; // step by step: any shard may compute any microbatch
};

// Each wait that does not say from whom becomes one for each who will say it.
void name_sources(wait_graph& g, const wait_sources& sources);

} // namespace troupe
