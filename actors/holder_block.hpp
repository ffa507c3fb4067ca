// A block of parameters with its holder: versions, the update that is computed, what waits, and
// what workers have read. Copies of a holder have it from each other as a protocol::block_copy.
#pragma once

#include "actors/block_update.hpp"
#include "actors/clock_ledger.hpp"
#include "actors/protocol/gradient_aggregator.hpp"
#include "actors/protocol/holder_copies.hpp"
#include "actors/protocol/parameter_holder.hpp"

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <vector>

namespace troupe {

struct worker_read {
  std::uint64_t version = 0;
  std::uint64_t lead = 0; // clocks before the slowest worker
  std::uint64_t lead_bound = no_bound;
  tensor parameters;
};

// A version of a block as it is saved. Nothing is copied: parameters are immutable, and the
// optimizer's state is frozen.
struct block_snapshot {
  tensor parameters; // of an island that begins a round: empty, they are the outer ones
  std::vector<tensor> slots;
  tensor residual;
};

// How an island's block takes part in outer steps. Computations, which may outlive the holder,
// touch its residual alone.
struct outer_step {
  tensor round_start;      // the outer parameters
  mutable_tensor residual; // where the codec has them; of the computation, in a round's last step
  tensor frozen_residual;  // or this, of which the round's last step makes a copy
  protocol::gradient sent; // empty value: the round goes on
  tensor adopted;          // what came back, while it is being hashed

  tensor freeze_residual(); // empty: there is none
  tensor thaw_residual();   // to be copied; empty: it is not frozen
  void copy_residual(const tensor& from);
};

struct holder_block {
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
  std::shared_ptr<outer_step> outer;                 // of an island
  std::map<std::uint64_t, protocol::committed> told; // to the director, by version
  std::deque<protocol::log_entry> entries;           // of a copy: that are to be done
  std::uint64_t index = 0;                           // of the head: its last entry in the log
  std::map<std::uint64_t, block_snapshot> snapshots; // by version, until they are written

  // An island's, that has sent its way and waits for the outer parameters.
  [[nodiscard]] bool awaits_outer() const { return outer && outer->sent.value && !outer->adopted; }

  // Between two updates, so that it can be copied.
  [[nodiscard]] bool at_rest() const { return entries.empty() && (!update || awaits_outer()); }
};

// REQUIRES: it is at rest. Nothing is copied: the optimizer's state is frozen.
protocol::block_copy copy_of(const holder_block& block);

// Of its newest version. REQUIRES: no update runs.
block_snapshot snapshot_of(const holder_block& block);

// REQUIRES: `block` is at rest, too, and `copy` is of the same block. What waits stays.
void take_over(holder_block& block, const protocol::block_copy& copy);

} // namespace troupe
