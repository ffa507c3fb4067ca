// Shapes as cuDNN takes them. Throws error where they are beyond its sizes.
#pragma once

#include "gpu/cuda/handles.hpp"
#include "gpu/device.hpp"

#include <cstdint>

namespace troupe::gpu::cuda {

int cudnn_int(std::int64_t value);

tensor_descriptor describe(const image_shape& s);

} // namespace troupe::gpu::cuda
