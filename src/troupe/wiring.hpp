// A wiring says who plays a job: a list of roles with their addresses, what each computes, and who
// talks to whom. It is a value, made by a pure function (troupe/topology.hpp has ours), that can be
// printed, checked, drawn, priced, saved and edited before anything is spawned.
#pragma once

#include "actors/address.hpp"
#include "actors/consistency.hpp"
#include "actors/schedule_op.hpp"
#include "ops/error.hpp"
#include "ops/reduction_tree.hpp"
#include "troupe/job.hpp"
#include "troupe/schedule.hpp"

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace troupe {

struct microbatch_range {
  std::uint32_t first = 0;
  std::uint32_t count = 1;
  friend bool operator==(const microbatch_range&, const microbatch_range&) = default;
};

struct wired_role {
  address where;
  std::vector<address> talks_to;
  int node = 0;
  microbatch_range microbatches = {}; // of layer shards and data loaders
  // Of the model: what a layer shard computes; whose parameters a holder and its aggregator may
  // get, none: all.
  std::vector<int> parts = {};
  // Of a step of a layer shard, its microbatches from 0: as many as a step may have at most.
  std::vector<schedule_op> schedule = {};
  // Of a layer shard: its gradients go to gradient_aggregator/h/group, which adds the group's and
  // sends its sums to gradient_aggregator/h; 0: straight to that one.
  int group = 0;
  // Of a layer shard: its replica computes what another does, and who is first counts.
  bool backup = false;
  // Of layer shards and evaluators: where they compute, "cuda:0" of its node; empty: its CPU.
  std::string device = {};
  friend bool operator==(const wired_role&, const wired_role&) = default;
};

// A run of the model's pieces (ops/program.hpp) that one layer shard of a replica computes.
struct model_part {
  std::string layers; // "0 conv2d .. 3 max_pool2d"
  int pieces = 1;
  std::int64_t flops = 0;    // forward, per image
  std::int64_t elements = 0; // parameters
  friend bool operator==(const model_part&, const model_part&) = default;
};

struct wiring {
  troupe::job job;
  std::string name; // "data_parallel(2 replicas)"
  int replicas = 1; // without backups
  int stages = 1;
  std::vector<model_part> parts; // one, or as the model is cut
  bool recompute = false;        // activations, instead of keeping them
  // As they come: every replica is a worker that computes whole steps, each of them one update.
  consistency order;
  // Stages do not wait for each other's updates: stage s computes with parameters that are
  // stages - 1 - s updates old (PipeDream; docs/wirings.md has what it guarantees).
  bool stash_weights = false;
  // Microbatches are dealt to the replicas step by step, in proportion to their measured speed;
  // those of the roles are the first deal.
  bool balance_shares = false;
  // Layers share a block, and its messages, until it has so many bytes.
  std::int64_t block_bytes_min = 256 * 1024;
  std::int64_t block_bytes_max = 0; // 0: a layer is held by one parameter holder
  std::vector<wired_role> roles;

  [[nodiscard]] std::vector<address> of(role_kind role) const;      // in the order of `roles`
  [[nodiscard]] const wired_role* find(const address& where) const; // null: nobody plays there
  [[nodiscard]] std::vector<int> part_of_piece() const;             // empty: one part
  [[nodiscard]] int nodes() const;
  [[nodiscard]] bool spreads_slices() const; // layer shards that compute slices of layers
  // Somebody computes on a device. Then parameters and boundary values lie as on devices,
  // on CPUs too, and the bits are those of who computes what.
  [[nodiscard]] bool uses_devices() const;
  // From 1: that a run of microbatches is of; 0: the job has none. REQUIRES: the job runs.
  [[nodiscard]] int island_of(const microbatch_range& run) const;
  // The nodes of the reduction tree, its island's, within a run whose sums a layer shard hands on.
  [[nodiscard]] std::vector<tree_span> spans_of(const microbatch_range& run) const;
  [[nodiscard]] std::uint64_t workers() const; // 0: synchronous
  [[nodiscard]] int backups() const;           // replicas
  [[nodiscard]] bool deals_shares() const;     // step by step: balanced, or with backups
  // How many microbatches of a step a layer shard may be dealt at most.
  [[nodiscard]] std::uint32_t microbatches_most(const wired_role& shard) const;
  [[nodiscard]] std::string text() const; // the cut, then one line per role
};

// What the layer shards of a replica compute, stage by stage; named "replica-0" and so on. Of the
// microbatches that the wiring gives it, and of the most that it may be dealt.
schedule schedule_of(const wiring& w, int replica);
schedule longest_schedule_of(const wiring& w, int replica);
// Of these layer shards of a replica, in their order.
schedule longest_schedule_of(const wiring& w, const std::vector<const wired_role*>& shards);

// Parameter holders, and the gradient aggregators that are no group's: the n-th is that of the n-th
// holder. Of an island, from 1; else of all, or of the outer parameters.
std::vector<address> holders_of(const wiring& w, int island = 0);
std::vector<address> roots_of(const wiring& w, int island = 0);

// A parameter holder with all of its copies, the head first: parameter_holder/h, h/1, h/2 ...
std::vector<address> copies_of(const wiring& w, const address& holder);
// Which of them are on one node, in words; empty: each has its own.
std::string copies_text(const wiring& w);
std::vector<error_text> copy_mistakes_of(const wiring& w);
// Parameter holders, and keepers of residuals, all copies of which are on one of so many nodes.
std::set<address> lonely_state_of(const wiring& w, int nodes);

// By group, what its aggregators send on: the sums of the largest nodes of the reduction tree that
// lie within the microbatches of the group.
std::map<int, std::vector<tree_span>> sums_of_groups(const wiring& w);

// Everything that keeps the wiring from running, those of its job included; empty when it can. For
// wirings that were edited or made by a user's function: ours are checked when they are made.
std::vector<error_text> mistakes_of(const wiring& w);

} // namespace troupe
