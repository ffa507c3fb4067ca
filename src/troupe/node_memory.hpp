// What the actors of each node of a simulated cluster need, before anything is played: parameters
// and what goes with them, activations of the microbatches in flight. Not counted: data, messages
// on the way, sums that wait for their other half, and what stand-ins of a node that left need.
#pragma once

#include "ops/error.hpp"
#include "troupe/simulated_cluster.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace troupe {

struct node_memory {            // bytes
  std::int64_t parameters = 0;  // of layer shards and holders
  std::int64_t gradients = 0;   // of layer shards and aggregators: one sum of each
  std::int64_t optimizer = 0;   // slots and, with a codec, residuals
  std::int64_t activations = 0; // programs, and what crosses to other stages until the step's end

  [[nodiscard]] std::int64_t all() const {
    return parameters + gradients + optimizer + activations;
  }

  [[nodiscard]] std::string text() const; // "0.9 MB of parameters, ..."
};

// By node. Compiles the programs of each kind of layer shard. REQUIRES: the wiring runs.
std::vector<node_memory> memory_of_nodes(const simulated_cluster& c, const wiring& w);

// "21.6 MB on node 0: ...": of the one that needs most.
std::string most_text(const std::vector<node_memory>& needs);

// Nodes that have less than they need.
std::vector<error_text> too_large(const simulated_cluster& c,
                                  const std::vector<node_memory>& needs);

} // namespace troupe
