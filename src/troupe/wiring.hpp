// A wiring says who plays a job: a list of roles with their addresses and who talks to whom. It is
// a value, made by a pure function, that can be printed and checked before anything is spawned.
#pragma once

#include "actors/address.hpp"
#include "actors/schedule_op.hpp"
#include "ops/error.hpp"
#include "troupe/job.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace troupe {

struct microbatch_range {
  std::uint32_t first = 0;
  std::uint32_t count = 1;
};

struct wired_role {
  address where;
  std::vector<address> talks_to;
  microbatch_range microbatches;          // of layer shards and data loaders
  std::vector<int> parts = {};            // of the model: what a layer shard computes
  std::vector<schedule_op> schedule = {}; // of a step of a layer shard, microbatches from 0
};

struct wiring {
  troupe::job job;
  std::string name; // "data_parallel(2 replicas)"
  int replicas = 1;
  int holders = 1;
  int aggregators = 1;
  std::vector<int> part_of_piece;   // how the model is cut; empty: one part
  bool recompute = false;           // activations, instead of keeping them
  std::int64_t block_bytes_max = 0; // 0: a layer is held by one parameter holder
  std::vector<wired_role> roles;

  [[nodiscard]] std::vector<address> of(role_kind role) const; // in the order of `roles`
  [[nodiscard]] std::string text() const;                      // one line per role
};

struct data_parallel_options {
  int replicas = 1;
  // Parameter holders and gradient aggregators that share the parameters; 0: one per replica.
  int holders = 0;
};

// Each replica holds the whole model and computes a contiguous run of the microbatches of every
// batch. Throws error (all mistakes of the job and of the options in one text).
wiring data_parallel(job j, const data_parallel_options& options = {});

// The mistakes that data_parallel would throw.
std::vector<error_text> mistakes_of(const job& j, const data_parallel_options& options);

} // namespace troupe
