// The GPUs that CUDA offers to this process (gpu/open_device.hpp).
#pragma once

#include "gpu/open_device.hpp"

#include <string>
#include <vector>

namespace troupe::gpu::cuda {

std::vector<device_description> devices();
std::string why_no_device();

} // namespace troupe::gpu::cuda
