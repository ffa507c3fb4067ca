// Checkpoints: parameters, optimizer state, data cursor and the job that they belong to. In plain
// layout, so that a checkpoint resumes under any wiring; bit-identically on the same machine.
//
// A run writes a folder: shards (ops/files/checkpoint_shard.hpp) and their manifest
// (ops/files/checkpoint_manifest.hpp). What older versions have written is one safetensors file,
// whose metadata carry a digest of the whole file:
//
// Tensors:  the state_dict of the model ("0.weight", ..., "1.num_batches_tracked"), then
//           "optimizer.<slot>.<name>" and "residual.<node>.<name>" for each trainable parameter;
//           of islands "island.<number>.optimizer.<slot>.<name>" and, within a round,
//           "island.<number>.<name>" for each parameter.
// Metadata: "format" = "troupe checkpoint 1", "step", "slots", "residuals" (if there are any),
//           "islands", "island slots", "island parameters" (0 or 1; all of them if there are any),
//           "job.<key>" = value, and "digest" =
//           XXH3 of the file with the 16 digits of the digest themselves as zeros. (A digest of the
//           data alone would let a flipped bit in "step" or in a shape pass.)
#pragma once

#include "ops/parameter_layout.hpp"
#include "ops/tensor.hpp"

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

// Of an island, which trains apart until the next outer step.
struct island_state {
  std::vector<tensor> parameters;         // by block; empty: those of the checkpoint
  std::vector<std::vector<tensor>> slots; // as a checkpoint's
};

struct checkpoint {
  std::uint64_t step = 0;         // steps committed
  std::vector<tensor> parameters; // one per block, packed
  std::vector<std::vector<tensor>>
      slots;                         // per optimizer slot, one per block (trainable part), packed
  std::vector<island_state> islands; // where there are any, all above is of the outer steps
  // Of a codec with error feedback: per compressed node of the reduction tree, in the order of the
  // microbatches, one per block (trainable part), packed; for step `step`.
  std::vector<std::vector<tensor>> residuals;
  std::map<std::string, std::string> job; // what the run was started with; compared on resume
};

// Of either kind: a file, or a folder that has a manifest. Throws error.
checkpoint read_checkpoint(const std::string& path, const parameter_layout& layout);

// As one file.
void write_checkpoint(const std::string& path, const parameter_layout& layout, const checkpoint& c);

// The same on bytes in memory; `name` is for the error texts.
std::string checkpoint_bytes(const parameter_layout& layout, const checkpoint& c);
checkpoint
parse_checkpoint(std::string_view bytes, const std::string& name, const parameter_layout& layout);

// Whether it is one checkpoint, or what is left of one; else it may be a folder of several.
bool is_checkpoint(const std::string& path);

// The newest valid checkpoint of a folder (step-N with a manifest, or step-N.safetensors); invalid
// ones are skipped and named in `skipped`. Throws error if none is valid.
std::string newest_checkpoint(const std::string& folder, std::vector<std::string>& skipped);

// Weights alone, names and layouts of the PyTorch state_dict (num_batches_tracked included).
// Loading takes a checkpoint too, and lists all missing, unexpected and misshapen tensors at once.
void save_weights(const std::string& path,
                  const parameter_layout& layout,
                  std::span<const tensor> blocks,
                  std::uint64_t step);
std::vector<tensor> load_weights(const std::string& path,
                                 const parameter_layout& layout); // throws error

} // namespace troupe
