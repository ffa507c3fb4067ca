// Checkpoints: parameters, optimizer state, data cursor and the job that they belong to, in one
// safetensors file whose metadata carries a digest of the data. Plain layout, so that a checkpoint
// resumes under any wiring; bit-identically on the same machine.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "ops/parameter_layout.hpp"
#include "ops/tensor.hpp"

namespace troupe {

struct checkpoint {
  std::uint64_t step = 0; // steps committed
  std::vector<tensor> parameters;            // one per block, packed
  std::vector<std::vector<tensor>> slots;    // per optimizer slot, one per block (trainable part), packed
  std::map<std::string, std::string> job;    // what the run was started with; compared on resume
};

void write_checkpoint(const std::string& path, const parameter_layout& layout, const checkpoint& c);
checkpoint read_checkpoint(const std::string& path, const parameter_layout& layout); // throws error

// The newest valid checkpoint of a folder (step-N.safetensors); invalid ones are skipped and named in
// `skipped`. Throws error if none is valid.
std::string newest_checkpoint(const std::string& folder, std::vector<std::string>& skipped);

// Weights alone, names and layouts of the PyTorch state_dict (num_batches_tracked included).
void save_weights(const std::string& path, const parameter_layout& layout,
                  std::span<const tensor> blocks, std::uint64_t step);
std::vector<tensor> load_weights(const std::string& path, const parameter_layout& layout); // throws error

} // namespace troupe
