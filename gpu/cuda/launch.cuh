// Threads go through the values in strides of the grid, so that any count fits into one launch.
// Values are found with 32-bit divisions where there are less than 2^31 of them: those of 64 bits
// take longer than the memory does.
#pragma once

#include "gpu/cuda/check.hpp"

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstdint>

namespace troupe::gpu::cuda::launch {

constexpr std::int64_t threads_per_block = 256, blocks_max = 1 << 16;

template <class Index>
__device__ Index first_index() {
  return static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x;
}

template <class Index>
__device__ Index grid_stride() {
  return static_cast<Index>(gridDim.x) * blockDim.x;
}

inline bool fits_32_bits(std::int64_t count) {
  return count < std::int64_t{1} << 31;
}

// One thread for each of `count`, as far as the grid goes.
template <class... Parameters, class... Arguments>
void run(const char* name,
         cudaStream_t on,
         std::int64_t count,
         void (*kernel)(Parameters...),
         Arguments... arguments) {
  if (count <= 0) return;
  const std::int64_t blocks = (count - 1) / threads_per_block + 1;
  kernel<<<static_cast<unsigned>(std::min(blocks, blocks_max)),
           static_cast<unsigned>(threads_per_block),
           0,
           on>>>(static_cast<Parameters>(arguments)...);
  check(cudaGetLastError(), name);
}

} // namespace troupe::gpu::cuda::launch
