// Owners of what CUDA, cuDNN and cuBLAS make.
#pragma once

#include "gpu/cuda/check.hpp"

#include <cstddef>
#include <memory>
#include <type_traits>

namespace troupe::gpu::cuda {

template <auto Destroy>
struct destroyed_by {
  template <class Made>
  void operator()(Made* made) const noexcept {
    static_cast<void>(Destroy(made));
  }
};

template <class Handle, auto Destroy>
using owned = std::unique_ptr<std::remove_pointer_t<Handle>, destroyed_by<Destroy>>;

using stream = owned<cudaStream_t, cudaStreamDestroy>;
using event = owned<cudaEvent_t, cudaEventDestroy>;
using memory_pool = owned<cudaMemPool_t, cudaMemPoolDestroy>;
using pinned_memory = std::unique_ptr<std::byte, destroyed_by<cudaFreeHost>>;
using cudnn_handle = owned<cudnnHandle_t, cudnnDestroy>;
using cublas_handle = owned<cublasHandle_t, cublasDestroy>;
using tensor_descriptor = owned<cudnnTensorDescriptor_t, cudnnDestroyTensorDescriptor>;
using filter_descriptor = owned<cudnnFilterDescriptor_t, cudnnDestroyFilterDescriptor>;
using convolution_descriptor =
    owned<cudnnConvolutionDescriptor_t, cudnnDestroyConvolutionDescriptor>;
using pooling_descriptor = owned<cudnnPoolingDescriptor_t, cudnnDestroyPoolingDescriptor>;

// What `create(&handle, arguments...)` makes. Throws error.
template <class Owned, class Create, class... Arguments>
Owned made(const char* call, Create create, Arguments... arguments) {
  typename Owned::pointer raw = nullptr;
  check(create(&raw, arguments...), call);
  return Owned(raw);
}

// Memory of a device, free for others once what its stream runs now has run.
struct freed_on {
  cudaStream_t stream = nullptr;

  void operator()(std::byte* memory) const noexcept {
    static_cast<void>(cudaFreeAsync(memory, stream));
  }
};

using device_memory = std::unique_ptr<std::byte, freed_on>;

} // namespace troupe::gpu::cuda
