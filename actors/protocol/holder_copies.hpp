// What the copies of a parameter holder say to each other. One of them, the head, is the one that
// others know. It writes the order of its inputs into a log, which the others follow.
#pragma once

#include "actors/address.hpp"
#include "actors/credit.hpp"
#include "actors/protocol/layer_shard.hpp"
#include "actors/protocol/parameter_holder.hpp"
#include "ops/tensor.hpp"

#include <cstdint>
#include <vector>

namespace troupe::protocol {

enum class log_kind : std::uint8_t {
  update, // of the block, by a summed gradient or a worker's
  read,   // a worker's pull is answered
  adopt,  // an island gets the outer parameters
};

// From: parameter_holder, the head. To: its copies. Answered by `log_kept`.
// Key: (head, index). Twice: dropped. Bound: one per update, per read of a worker and per outer
// step.
struct log_entry {
  incarnation head = 0;
  std::uint64_t index = 0; // from 1, without a gap
  log_kind kind = log_kind::update;
  int block = 0;
  std::uint64_t step = 0;    // as the input says it
  std::uint64_t version = 0; // that is updated, that is read, or that is adopted
  std::uint64_t digest = 0;  // of the version that is updated
  tensor value, addend;      // of the gradient; of what is adopted
  bool encoded = false;
  std::uint64_t lead = 0, lead_bound = no_bound; // of a read
};

// From: a copy of a parameter_holder. To: the head: entries up to this one are kept.
// Key: (copy, index). Twice: no effect. Bound: one per entry, and per state that a copy takes over.
struct log_kept {
  incarnation head = 0;
  std::uint64_t index = 0;
  int copy = 0;
};

// From: a parameter_holder that was restarted. A head: to its copies, which hear no older head from
// then on. A copy: to the head, when it begins, and where the head asks it in vain. Answered by
// `holder_copy` for each block, all of one moment.
// Key: (copy, life). Twice: answered again. Bound: two per restart and copy.
struct want_copy {
  int copy = 0; // that asks
  incarnation life = 0;
  incarnation head = 0; // of a copy that has nothing: which head has asked; 0: none
};

// What a worker read for a step.
struct read_copy {
  std::uint64_t step = 0, version = 0, lead = 0, lead_bound = no_bound;
};

struct version_copy {
  std::uint64_t version = 0;
  tensor parameters;
};

// A block of a parameter holder between two updates.
struct block_copy {
  std::uint64_t version = 0;
  std::vector<version_copy> versions; // that are kept, and others that workers have read
  std::vector<tensor> slots;          // optimizer state
  bool at_rest = false;
  std::vector<std::uint64_t> digests; // of the newest version's chunks
  std::vector<std::uint64_t> clocks;  // that are applied, by worker
  std::vector<read_copy> reads;
  std::vector<committed> told;  // to the director
  tensor round_start, residual; // of an island
  gradient sent;                // its way in this round; empty value: the round goes on
};

// From: parameter_holder. To: a copy of it that was restarted, or is not as far as a new head.
// Key: (from, index, block). Twice: dropped. Bound: one per block, restart and copy.
struct holder_copy {
  incarnation head = 0;    // that the copies follow
  std::uint64_t index = 0; // entries of the log that are in it
  int copy = 0;            // that says it
  incarnation from = 0, to = 0;
  int block = 0;
  block_copy content;
  std::uint64_t revision = 0; // of the credit, and the staleness bound that it has
  std::uint64_t staleness = 0;
};

} // namespace troupe::protocol
