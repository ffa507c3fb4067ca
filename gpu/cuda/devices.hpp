// The GPUs that CUDA offers to this process. A process that has looked at them cannot fork() a
// child that uses them.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace troupe::gpu {

struct device_description {
  int index = 0;
  std::string name;
  int major = 0, minor = 0; // compute capability
  std::size_t memory_bytes = 0, free_bytes = 0;
};

// Those that answer; none where CUDA does not work. Makes a context on each, to see what is free.
// Throws no error.
std::vector<device_description> cuda_devices();

// Empty if there is one. Makes no context. Throws no error.
std::string why_no_cuda_device();

} // namespace troupe::gpu
