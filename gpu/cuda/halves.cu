// A thread has a word: two halves, the first in the low bits.
#include "gpu/cuda/kernels.hpp"
#include "gpu/cuda/launch.cuh"
#include "ops/half_floats.hpp"

namespace troupe::gpu::cuda::launch {

namespace {

// An odd count ends with a zero.
template <class Half>
__global__ void encode_kernel(const float* values, std::uint32_t* halves, std::int64_t count) {
  for (auto i = first_index<std::int64_t>(); 2 * i < count; i += grid_stride<std::int64_t>()) {
    const std::uint32_t low = Half::of(values[2 * i]);
    const std::uint32_t high = 2 * i + 1 < count ? Half::of(values[2 * i + 1]) : 0;
    halves[i] = low | high << 16;
  }
}

template <class Half>
__global__ void decode_kernel(const std::uint32_t* halves, float* values, std::int64_t count) {
  for (auto i = first_index<std::int64_t>(); 2 * i < count; i += grid_stride<std::int64_t>()) {
    const std::uint32_t both = halves[i];
    values[2 * i] = Half::to_float(static_cast<std::uint16_t>(both));
    if (2 * i + 1 < count)
      values[2 * i + 1] = Half::to_float(static_cast<std::uint16_t>(both >> 16));
  }
}

} // namespace

void encode_halves(
    cudaStream_t on, half_format format, const float* values, float* halves, std::int64_t count) {
  auto* const kernel = format == half_format::fp16 ? encode_kernel<fp16> : encode_kernel<bf16>;
  auto* const words = reinterpret_cast<std::uint32_t*>(halves);
  run("encode_halves", on, count / 2 + count % 2, kernel, values, words, count);
}

void decode_halves(
    cudaStream_t on, half_format format, const float* halves, float* values, std::int64_t count) {
  auto* const kernel = format == half_format::fp16 ? decode_kernel<fp16> : decode_kernel<bf16>;
  const auto* const words = reinterpret_cast<const std::uint32_t*>(halves);
  run("decode_halves", on, count / 2 + count % 2, kernel, words, values, count);
}

} // namespace troupe::gpu::cuda::launch
