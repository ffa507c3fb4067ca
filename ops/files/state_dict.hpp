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

// State beside the parameters, of the trainable ones: names are prefix + name of the parameter.
// "optimizer.0." and so on; "residual.0." and so on, of a codec's error feedback.
std::vector<std::string> state_prefixes(std::size_t slots, std::size_t residuals);

// Throws error listing what is missing, unexpected or of another shape, for the parameters and the
// state of each prefix. Ignores num_batches_tracked, and with `weights_alone` all state.
void check_tensors(const tensor_file& file,
                   const parameter_layout& layout,
                   const std::vector<std::string>& prefixes,
                   bool weights_alone,
                   const std::string& name);

// REQUIRES: check_tensors passed.
std::vector<tensor> parameter_blocks(const tensor_file& file, const parameter_layout& layout);
std::vector<tensor>
state_blocks(const tensor_file& file, const parameter_layout& layout, const std::string& prefix);

} // namespace troupe
