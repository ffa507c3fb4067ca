// What is to be trained: a value. The result of a synchronous job is a function of it alone,
// whatever wiring runs it.
#pragma once

#include "actors/outer_rounds.hpp"
#include "ops/codec.hpp"
#include "ops/data/dataset.hpp"
#include "ops/data/sampler.hpp"
#include "ops/error.hpp"
#include "ops/graph.hpp"
#include "ops/learning_rate.hpp"
#include "ops/loss.hpp"
#include "ops/model.hpp"
#include "ops/optimizer.hpp"
#include "ops/reduction_tree.hpp"
#include "ops/slice.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace troupe {

// Islands (Stich, "Local SGD converges fast and communicates little", ICLR 2019; Douillard et al.,
// "DiLoCo", 2023, algorithm 1): each computes a run of the microbatches of every batch, and trains
// parameters of its own by the job's optimizer. After every so many steps, and at the end of each
// epoch, an outer step: what the islands have gone from the outer parameters, on average, is the
// gradient of `rule`, and all go on from what that makes of the outer parameters. Statistics (batch
// norm's) become their mean. The islands' optimizers keep their state.
struct outer_steps {
  std::uint32_t islands = 0; // 0: none; divides job::microbatches
  std::uint32_t every = 8;   // steps
  troupe::optimizer rule = sgd{.momentum = 0.9F, .nesterov = true};
  float rate = 0.7F;

  [[nodiscard]] std::string text() const; // "2 islands, every 8 steps sgd momentum 0.9, rate 0.7"
};

struct job {
  troupe::model model;
  // Layers that are cut over their output channels. Part of the job: the same slices give the same
  // bits wherever they are computed.
  std::vector<slice> slices;
  data_split data;
  troupe::loss loss = softmax_cross_entropy{};
  troupe::optimizer optimizer = sgd{.momentum = 0.9F};
  troupe::learning_rate learning_rate;
  augmentation augment;
  std::int64_t batch = 128;
  // Parts of a batch that are computed, and whose gradients are summed, separately. Part of the
  // job, not of the wiring: the same number gives the same bits on any number of replicas that
  // divides it.
  std::uint32_t microbatches = 2;
  // Gradients cross compressed: the sum over each node of the reduction tree with at most so many
  // microbatches is one payload (docs/compression.md). Part of the job: it changes bits, and the
  // same codec and nodes give the same bits under every synchronous wiring.
  std::shared_ptr<const codec> compression; // null: none
  std::uint32_t compressed_microbatches = 1;
  outer_steps outer; // part of the job as well; what is compressed is then what islands exchange
  std::int64_t epochs = 3;
  std::int64_t steps = 0; // > 0: stop after so many steps, whatever `epochs` says
  bool shuffle = true;
  bool balanced_sampling = false;
  std::uint64_t seed = 1;

  [[nodiscard]] std::int64_t
  steps_per_epoch() const; // the last, partial batch of an epoch is dropped
  [[nodiscard]] std::int64_t total_steps() const;
  [[nodiscard]] std::uint32_t island_microbatches() const; // all of them where there is no island
  [[nodiscard]] outer_rounds rounds() const;               // without islands: each a step
};

// The model as it is computed, sliced. REQUIRES: there is training data. Throws error.
graph graph_of(const job& j);

// The nodes of the reduction tree that cross compressed, each below the root; of the tree over the
// islands, where there are any.
std::vector<tree_span> compressed_nodes(const job& j);

// Everything that is wrong with a job, not only the first thing; empty when it can run.
std::vector<error_text> mistakes_of(const job& j);

error joined(const std::vector<error_text>& mistakes); // all in one; REQUIRES: not empty

} // namespace troupe
