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

// One entry per trainable parameter, named `prefix` + name. `blocks` hold the trainable part alone.
std::vector<stored_tensor> trainable_tensors(const parameter_layout& layout,
                                             std::span<const tensor> blocks,
                                             const std::string& prefix);

// Throws error listing what is missing, unexpected or of another shape, for the parameters and
// `slots` optimizer slots. Ignores num_batches_tracked, and with `slots` < 0 everything of the
// optimizer.
void check_tensors(const tensor_file& file,
                   const parameter_layout& layout,
                   int slots,
                   const std::string& name);

// REQUIRES: check_tensors passed.
std::vector<tensor> parameter_blocks(const tensor_file& file, const parameter_layout& layout);
std::vector<tensor> slot_blocks(const tensor_file& file, const parameter_layout& layout, int slot);

std::string slot_prefix(int slot); // "optimizer.0."

} // namespace troupe
