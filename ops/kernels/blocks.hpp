// Cuts the parameters of a model into blocks. Layers are taken from the back of the network until a
// block holds `bytes_min` bytes, so block 0 is what the backward pass completes first. The cut
// depends on the model and its parts alone: a block belongs to one part. Places within a block
// depend on the packed sizes.
#pragma once

#include "ops/kernels/builder.hpp"
#include "ops/parameter_layout.hpp"

#include <vector>

namespace troupe::kernels {

parameter_layout layout_in_blocks(const graph& g,
                                  const std::vector<bound_parameter>& parameters,
                                  std::int64_t bytes_min,
                                  const std::vector<int>& part_of_parameter);

} // namespace troupe::kernels
