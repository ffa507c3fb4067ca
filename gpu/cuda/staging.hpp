// A ring of pinned memory through which values go to a device: the caller's memory is read before
// copy() returns, and the copy to the device runs on while the caller goes on.
#pragma once

#include "gpu/cuda/handles.hpp"

#include <array>
#include <cstddef>

namespace troupe::gpu::cuda {

class staging {
public:
  staging();

  // REQUIRES: the current device is that of `on`, always the same.
  void copy(void* to, const void* from, std::size_t bytes, cudaStream_t on);

private:
  struct slot {
    pinned_memory memory;
    event left; // what was in it lies on the device
  };

  std::array<slot, 4> slots_;
  std::size_t next_ = 0;
};

} // namespace troupe::gpu::cuda
