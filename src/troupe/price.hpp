// What a wiring costs, before it runs: arithmetic, memory, messages, and the time of a step.
//
// Memory is what the compiled programs allocate, so pricing compiles the programs of each layer
// shard. Times come from measured_costs() on one core of this machine; without them the pipeline's
// bubble is that of counted FLOPs and no time is told. Predicted times are those of the layer
// shards: loading, sums, updates and messages run beside them and are not in them.
#pragma once

#include "troupe/schedule_times.hpp"
#include "troupe/wiring.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace troupe {

// Seconds of one piece of the model (troupe/model_parts.hpp) for one microbatch.
struct piece_cost {
  double forward = 0, backward_inputs = 0, backward_weights = 0;
  double bind = 0; // once a step: its parameters are new

  [[nodiscard]] double all() const { return forward + backward_inputs + backward_weights; }
};

// Of the whole model, on one core: medians over so many training steps of a microbatch, by piece.
// Throws error: the job's mistakes.
std::vector<piece_cost> measured_costs(const job& j, int rounds = 9);

struct price_options {
  std::vector<piece_cost> costs; // empty: not measured
  int threads = 0;               // that compute layer shards; 0: one for each
};

// Per step, but for memory.
struct shard_price {
  address where;
  std::int64_t flops = 0; // forward, backward as two forwards, and recomputation
  std::int64_t parameters = 0;
  int in_flight = 0; // the most microbatches whose activations are kept at once, for each part
  std::size_t program_bytes = 0;   // what programs allocate: activations, gradients, scratch
  std::int64_t boundary_bytes = 0; // sent to other layer shards, and kept until the step's end
  double busy_seconds = 0;
};

struct holder_price {
  address where;
  int blocks = 0;
  std::int64_t parameter_bytes = 0, optimizer_bytes = 0;
};

struct aggregator_price {
  address where;
  std::int64_t gradient_bytes = 0; // that arrive; it holds no more than these
};

struct edge_price {
  address from, to;
  // batch, activation, activation gradient, gradient, gradient of a group, summed gradient,
  // parameters; delta of an island, outer parameters
  std::string what;
  std::int64_t messages = 0, bytes = 0;
  std::int64_t every = 1; // of so many steps: a round's, between islands
};

struct wiring_price {
  std::vector<shard_price> shards;
  std::vector<holder_price> holders;
  std::vector<aggregator_price> aggregators;
  std::vector<edge_price> edges; // of tensors, in the order of a step
  double bubble_fraction = 0;    // of the slowest replica, with a core for each layer shard
  double step_seconds = 0;       // with `threads`; 0: not measured
  int threads = 0;
  schedule_times times; // by part, of a microbatch; FLOPs where not measured
};

// Throws error: the wiring's mistakes, and costs of another model.
wiring_price price_of(const wiring& w, const price_options& options = {});

std::string text(const wiring_price& price); // tables

} // namespace troupe
