// What an actor waits for, as plain data: made from its state when somebody asks, and never kept.
#pragma once

#include "actors/address.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace troupe {

enum class wait_kind : std::uint8_t {
  permission,       // to compute a step
  share,            // of a step: which microbatches, where shares are dealt
  parameters,       // for a step, of some blocks
  batch,            // a microbatch of the data
  activation,       // of a part of the model, for the one after it
  output_gradient,  // the other way round
  gradient,         // of some microbatches, to be added
  sum,              // of a step's gradients, to be applied
  update,           // a worker's gradients of a step
  outer_parameters, // of islands, at a round's end
  commit,           // of a step, by who holds its parameters
  report,           // of some microbatches of a step
  record,           // that an event is on record
  cursor,           // where the job stands
  evaluation,       // of a part of the test set
  save,             // of a checkpoint
  state,            // of some blocks, to be saved
  residual,         // what a codec has left out
  copy,             // the state of another copy of a parameter holder
  log,              // that a copy of a parameter holder has written down what the head did
  restart,          // by the supervisor, of who is down
  backoff,          // of the supervisor, before it starts somebody again
  computation,      // its own
};

const char* wait_name(wait_kind kind); // "parameters"

struct wait {
  static constexpr std::uint64_t no_step = ~std::uint64_t{0};

  wait_kind what = wait_kind::parameters;
  std::optional<address> from = {}; // who will say it; empty: it does not know
  std::uint64_t step = no_step;
  int block = -1; // the first of `blocks`
  int blocks = 0; // 0: not of blocks
  std::uint32_t island = 0;
  std::uint32_t microbatch = 0;   // the first of `microbatches`
  std::uint32_t microbatches = 0; // 0: not of microbatches
  // Its sources are known by their kind alone: some of those that are named have said it already.
  bool guessed = false;
  std::chrono::nanoseconds due{0}; // when it ends by itself; 0: never
  friend bool operator==(const wait&, const wait&) = default;
};

// "the gradients of step 3, microbatches 2 and 3, of 4 blocks, from layer_shard/1".
std::string text(const wait& w);

// The same thing of several blocks or microbatches becomes one wait; at most `most` are left.
std::vector<wait> joined(std::vector<wait> waits, std::size_t most);

} // namespace troupe
