// What layer shards need for activations: measured while they compute, beside what the wiring's
// price had said.
#pragma once

#include "actors/address.hpp"
#include "actors/protocol/memory.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace troupe {

struct wiring_price;

struct shard_memory {
  address where;
  int in_flight = 0; // the most microbatches whose activations were kept at once, for each part
  std::uint64_t program_bytes = 0; // of the programs that were lent to it at once
  friend bool operator==(const shard_memory&, const shard_memory&) = default;
};

// Keeps the most of each layer shard and all its incarnations, in the order of addresses.
void note(std::vector<shard_memory>& all, const protocol::memory_used& m);

struct memory_comparison {
  shard_memory measured, predicted;
};

// Layer shards that have measured something.
std::vector<memory_comparison> compared(const std::vector<shard_memory>& measured,
                                        const wiring_price& price);

// A line for each, "layer_shard/0/1   2 microbatches in flight, 6.3 MB: as predicted"; of more than
// 16, one line for all.
std::string text(const std::vector<memory_comparison>& all);

} // namespace troupe
