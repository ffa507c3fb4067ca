// The library that programs load when they are asked for a GPU (gpu/open_device.hpp).
#include "gpu/cuda/cuda_device.hpp"
#include "gpu/cuda/devices.hpp"
#include "gpu/open_device.hpp"

namespace {

std::shared_ptr<troupe::gpu::device> open(int index) {
  return troupe::gpu::open_cuda_device(index);
}

constexpr troupe::gpu::cuda_library offered{
    TROUPE_BUILD, open, troupe::gpu::cuda::devices, troupe::gpu::cuda::why_no_device};

} // namespace

extern "C" const troupe::gpu::cuda_library* troupe_cuda() {
  return &offered;
}
