// Credit is how much may be under way on an edge between two roles; whoever holds it (asks, goes
// forward, answers) never exceeds it. A dial sets it, also while the job runs.
//
// No credit changes a bit of a synchronous job: it decides when something is asked for or computed,
// and sums are keyed.
#pragma once

#include "actors/address.hpp"

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace troupe {

enum class credit_kind : std::uint8_t {
  prefetch,  // data_loader -> layer_shard: steps whose batches are asked for ahead; the shard's
  depth,     // layer_shard -> layer_shard: microbatches of a part in flight; the first one's
  staleness, // parameter_holder -> layer_shard of a worker: clocks that it leads; the holder's
};

const std::vector<std::string>& credit_names();
const char* credit_text(credit_kind kind);

constexpr std::uint64_t no_bound = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint64_t prefetch_max = 64; // steps; their batches wait in memory

// Set the credit of all edges of a kind, or of those whose credit `of` holds, when `step` steps are
// committed.
struct dial {
  credit_kind kind = credit_kind::prefetch;
  std::optional<address> of;
  std::uint64_t value = 0;
  std::int64_t step = 0;

  friend bool operator==(const dial&, const dial&) = default;
};

std::string text(const dial& d); // "depth:layer_shard/0/1=1@step=50"

// The edges of a kind whose credit `who` holds.
struct credit_edges {
  credit_kind kind = credit_kind::prefetch;
  address who;
  std::uint64_t initial = 0;
  std::uint64_t most = no_bound; // that a dial may give; of depth: what the schedule keeps
};

} // namespace troupe
