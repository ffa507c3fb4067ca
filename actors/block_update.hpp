// One block of parameters between two versions: sum, optimizer, statistics and digest in one pass,
// chunk by chunk while a chunk is in the cache.
//
// Statistics (batch norm's running mean and variance) lie behind the trainable parameters. Their
// "gradient" is the sum over the microbatches of what each measured; they follow it by their
// momentum.
#pragma once

#include "ops/optimizer.hpp"
#include "ops/parameter_layout.hpp"
#include "ops/tensor.hpp"

#include <cstdint>
#include <memory>
#include <vector>

namespace troupe {

// What is updated and hashed in one go: [first, last) of the block, padding included; the first
// `stored` of them are values of the parameter.
struct update_chunk {
  std::int64_t first = 0, last = 0, stored = 0;
  int parameter = 0;
  std::int64_t chunk = 0; // of the parameter
  bool statistic = false;
  float momentum = 0; // of a statistic
};

// What an update of a block changes in place, and what it reads in every step. Computations share
// it: they may outlive the holder. Optimizer state that somebody saves is frozen as it is; the next
// update makes a copy on its way, chunk by chunk.
struct block_rule {
  block_rule(const parameter_layout& layout,
             int block,
             const optimizer& rule,
             const std::vector<tensor>& start);

  std::int64_t trainable = 0;
  std::vector<update_chunk> chunks;
  std::vector<mutable_tensor> slots; // or these, where they are frozen
  std::vector<tensor> frozen;
  bool at_rest = false;               // the slots are zeros
  std::vector<std::uint64_t> digests; // per chunk, of the newest version

  const std::vector<tensor>& freeze(); // REQUIRES: no update runs
  std::vector<tensor> thaw();          // slots whose values are to be copied from these; or none

  [[nodiscard]] std::uint64_t digest() const;  // of the block
  void digest_again(const tensor& parameters); // that somebody else has updated
  void digest_chunk(std::size_t i, const float* parameters);
};

struct block_update {
  std::shared_ptr<block_rule> block;
  std::uint64_t step = 0;
  tensor old_parameters;
  std::vector<tensor> old_slots; // where they were frozen; else they are changed in place
  tensor gradient, addend;       // to be added to the gradient, if there is one
  // Delay compensation: the parameters that the gradient was computed with, and lambda.
  tensor read_parameters;
  float compensation = 0;
  // Of an island, where a round ends: what the block began with, and how far it has come, as its
  // share of a mean over so many islands. Of statistics: what they are now.
  tensor round_start;
  float islands = 1;
  mutable_tensor delta;
  tensor payload;                // of a codec, instead
  mutable_tensor new_parameters; // empty: at rest, they are the old ones
  optimizer rule;
  float rate = 0;
  float microbatches = 1;

  // Whether all that it reads is known to be zeros: then so is all that it makes.
  [[nodiscard]] bool is_at_rest() const;

  // Chunks [first_chunk, last_chunk); others may be run at the same time.
  void run(std::size_t first_chunk, std::size_t last_chunk);
  [[nodiscard]] std::int64_t elements(std::size_t first_chunk, std::size_t last_chunk) const;

private:
  void digest_old(std::size_t first_chunk, std::size_t last_chunk);
  void learn(const update_chunk& c, const float* gradient_sum);
  void follow(const update_chunk& c, const float* measured);
  void compare(const update_chunk& c);
};

} // namespace troupe
