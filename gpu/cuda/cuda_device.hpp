// A GPU of NVIDIA as a `device`.
#pragma once

#include "gpu/device.hpp"

#include <memory>

namespace troupe::gpu {

// Device `index` of CUDA, with a stream of its own; buffers and layers may outlive it. Throws error
// where there is none, or none that this program was built for.
std::unique_ptr<device> open_cuda_device(int index);

} // namespace troupe::gpu
