// Between packed blocks and the named, plain tensors of a state_dict. Those are whole: files of a
// job that slices layers and of one that does not are the same.
#pragma once

#include "ops/files/safetensors.hpp"
#include "ops/parameter_layout.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace troupe {

// The tensors of torch.nn.Module.state_dict(), in its order: batch norm's running_var is followed
// by num_batches_tracked = `step`.
std::vector<stored_tensor>
state_dict_of(const parameter_layout& layout, std::span<const tensor> blocks, std::uint64_t step);

// State beside the parameters: its tensors are named prefix + name of the parameter.
struct state_prefix {
  std::string text;        // "optimizer.0."
  bool statistics = false; // has them, too; else of the trainable parameters alone
};

// One entry per parameter that the state is of. `blocks` hold the trainable part alone where it has
// no statistics.
std::vector<stored_tensor> state_tensors(const parameter_layout& layout,
                                         std::span<const tensor> blocks,
                                         const state_prefix& prefix);

// Throws error listing what is missing, unexpected or of another shape, for the parameters and the
// state of each prefix. Ignores num_batches_tracked, and with `weights_alone` all state.
void check_tensors(const tensor_file& file,
                   const parameter_layout& layout,
                   const std::vector<state_prefix>& prefixes,
                   bool weights_alone,
                   const std::string& name);

// REQUIRES: check_tensors passed.
std::vector<tensor> parameter_blocks(const tensor_file& file, const parameter_layout& layout);
std::vector<tensor>
state_blocks(const tensor_file& file, const parameter_layout& layout, const state_prefix& prefix);

} // namespace troupe
