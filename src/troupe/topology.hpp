// The topologies that the library knows: pure functions from a job and options to a wiring. Each
// throws error with all mistakes of the job and of the options, and the nearest that is possible.
//
// All of them are one grid: replicas x stages, whose layer shards compute a run of the microbatches
// and a part of the model each; parameter holders and gradient aggregators share the parameters.
// Results of a synchronous job are the same bits for all of them.
#pragma once

#include "troupe/schedule.hpp"
#include "troupe/wiring.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace troupe {

struct hybrid_options {
  int replicas = 1; // each computes a run of the microbatches of every batch
  int stages = 1;   // of each replica's pipeline
  // Parameter holders and gradient aggregators; 0: one of each for every layer shard, on its node
  // (the wiring that others call all-reduce: reduce-scatter, then all-gather).
  int holders = 0;
  // Of each parameter holder, itself counted: of n, n - 1 may be lost at once, and nothing is lost.
  int holder_copies = 1;
  // Of neighbouring replicas, e.g. those of one machine or rack: the gradients of a group are added
  // within it, and only the sums go on to the others; 0: none. Divides the replicas.
  int groups = 0;

  // Stragglers: each step's microbatches are dealt to the replicas in proportion to their measured
  // speed; and so many more replicas compute what the slowest do, where the first one counts.
  bool balance_shares = false;
  int backups = 0;

  // Pipeline: gpipe, 1f1b, interleaved or zero-bubble (docs/schedules.md).
  std::string schedule = "1f1b";
  std::optional<troupe::schedule> own_schedule; // instead of a named one
  int chunks = 1;       // parts of the model per stage; more than one: interleaved
  std::vector<int> cut; // the piece with which each part but the first begins; empty: balanced
  std::vector<double> piece_costs; // to balance by; empty: counted FLOPs
  bool recompute = false;          // activations, before backward, instead of keeping them

  // Asynchronous 1F1B (Narayanan et al., "PipeDream", SOSP 2019, sections 3.2-3.3): no stage waits
  // for the updates of others; each computes with weights of one known version, stages - 1 - stage
  // updates old, and keeps them until backward. `schedule` has no say.
  bool stash_weights = false;

  // Layers share a block, and its messages, until it has so many bytes: fewer messages, of which
  // the first is sent later; 0: none do.
  std::int64_t block_bytes_min = 256 * 1024;
  // Largest piece of a layer that one holder gets; 0: a layer is not split.
  std::int64_t block_bytes_max = 0;

  // Slices of layers (job::slices) on layer shards of their own, layer_shard/replica/stage/slice;
  // else a stage computes all slices of its layers.
  bool spread_slices = false;

  // As they come: each replica is a worker that computes whole batches.
  consistency order;
};

wiring hybrid(job j, const hybrid_options& options = {});

struct data_parallel_options {
  int replicas = 1;
  // Parameter holders and gradient aggregators that share the parameters; 0: one per replica.
  int holders = 0;
  int holder_copies = 1; // see hybrid_options, as the next
  int groups = 0;
  bool balance_shares = false;
  int backups = 0;
};

// Each replica holds the whole model.
wiring data_parallel(job j, const data_parallel_options& options = {});

struct pipeline_options {
  int stages = 2;
  std::string schedule = "1f1b";
  std::optional<troupe::schedule> own_schedule;
  int chunks = 1;
  std::vector<int> cut;
  bool recompute = false;
  bool stash_weights = false; // asynchronous, see hybrid_options
  int holder_copies = 1;
};

// One replica, whose model is cut into stages.
wiring pipeline(job j, const pipeline_options& options = {});

struct parameter_server_options {
  int workers = 2;
  int servers = 1;       // parameter holders; the parameters are balanced over them by bytes
  int holder_copies = 1; // see hybrid_options
  consistency order{.kind = consistency_kind::asynchronous};
  // A layer of more bytes is shared by several servers; 0: a layer is held by one.
  std::int64_t block_bytes_max = 1 << 20;
  int stages = 1; // of each worker's pipeline
  std::string schedule = "1f1b";
  bool balance_shares = false; // see hybrid_options; of BSP, as is the next
  int backups = 0;
};

// Workers and servers. Synchronous (BSP): the workers share each batch, same bits as any
// synchronous wiring. Else worker w computes steps w, w + workers, ...; every step is one update,
// applied once and as it comes.
wiring parameter_server(job j, const parameter_server_options& options = {});

// Gives each slice of a layer but the first to a layer shard of its own on a node of its own: what
// hybrid does with `spread_slices`, for a wiring that somebody made. As it was where nothing is
// sliced. REQUIRES: mistakes_of(w) is empty.
wiring spread_slices(wiring w);

// Gives each parameter holder copies, on other nodes where there are any: what hybrid does with
// `holder_copies`, for a wiring that somebody made. REQUIRES: it has none yet.
wiring copy_holders(wiring w, int copies);

// Lets layer shards, and evaluators, compute on these devices, in turn: of each of so many nodes
// the first on the first device, the second on the second. "cuda:0" is a GPU of the node, "cpu" its
// CPU. Of a wiring that somebody made.
wiring on_devices(wiring w, const std::vector<std::string>& devices, int nodes = 1);

// The mistakes that the functions above would throw.
std::vector<error_text> mistakes_of(const job& j, const hybrid_options& options);
std::vector<error_text> mistakes_of(const job& j, const data_parallel_options& options);

} // namespace troupe
