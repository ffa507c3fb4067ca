#include "gpu/cuda/session.hpp"

#include <algorithm>
#include <limits>

namespace troupe::gpu::cuda {

namespace {

// What NVIDIA recommends for Hopper. Fixed: with a workspace of its own cuBLAS might choose another
// kernel, and so other roundings, from run to run.
constexpr std::size_t cublas_workspace_bytes = std::size_t{32} << 20;

std::string name_of(int index) {
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, index), "cudaGetDeviceProperties");
  return properties.name;
}

stream make_stream(int index) {
  check(cudaSetDevice(index), "cudaSetDevice");
  return made<stream>(
      "cudaStreamCreateWithFlags", cudaStreamCreateWithFlags, cudaStreamNonBlocking);
}

// Keeps what is freed until it is destroyed: steps ask for the same again and again.
memory_pool make_pool(int index) {
  cudaMemPoolProps properties{};
  properties.allocType = cudaMemAllocationTypePinned;
  properties.location.type = cudaMemLocationTypeDevice;
  properties.location.id = index;
  auto pool = made<memory_pool>("cudaMemPoolCreate", cudaMemPoolCreate, &properties);
  std::uint64_t keep = std::numeric_limits<std::uint64_t>::max();
  check(cudaMemPoolSetAttribute(pool.get(), cudaMemPoolAttrReleaseThreshold, &keep),
        "cudaMemPoolSetAttribute");
  return pool;
}

cudnn_handle make_cudnn(cudaStream_t on) {
  auto handle = made<cudnn_handle>("cudnnCreate", cudnnCreate);
  check(cudnnSetStream(handle.get(), on), "cudnnSetStream");
  return handle;
}

// Pedantic: true float32 without TF32, emulation or atomics, also where the environment asks for
// them. The stream comes first, since it resets the workspace.
cublas_handle make_cublas(cudaStream_t on, std::byte* workspace) {
  auto handle = made<cublas_handle>("cublasCreate", cublasCreate);
  check(cublasSetStream(handle.get(), on), "cublasSetStream");
  check(cublasSetWorkspace(handle.get(), workspace, cublas_workspace_bytes), "cublasSetWorkspace");
  check(cublasSetMathMode(handle.get(), CUBLAS_PEDANTIC_MATH), "cublasSetMathMode");
  check(cublasSetAtomicsMode(handle.get(), CUBLAS_ATOMICS_NOT_ALLOWED), "cublasSetAtomicsMode");
  return handle;
}

std::size_t bytes_of(std::int64_t floats) {
  return static_cast<std::size_t>(floats) * sizeof(float);
}

} // namespace

session::session(int index)
    : index_(index),
      name_(name_of(index)),
      stream_(make_stream(index)),
      pool_(make_pool(index)),
      cudnn_(make_cudnn(stream_.get())),
      cublas_workspace_(temporary(cublas_workspace_bytes)),
      cublas_(make_cublas(stream_.get(), cublas_workspace_.get())) {}

session::~session() {
  static_cast<void>(cudaSetDevice(index_));
  static_cast<void>(cudaStreamSynchronize(stream_.get())); // it may still read what is staged
}

cudaStream_t session::enter() const {
  check(cudaSetDevice(index_), "cudaSetDevice");
  return stream_.get();
}

cudnnHandle_t session::enter_cudnn() const {
  static_cast<void>(enter());
  return cudnn_.get();
}

cublasHandle_t session::enter_cublas() const {
  static_cast<void>(enter());
  return cublas_.get();
}

device_memory session::temporary(std::size_t bytes) {
  const cudaStream_t on = enter();
  void* raw = nullptr;
  check_memory(cudaMallocFromPoolAsync(&raw, std::max<std::size_t>(bytes, 1), pool_.get(), on),
               bytes,
               "cudaMallocFromPoolAsync");
  return {static_cast<std::byte*>(raw), freed_on{on}};
}

std::shared_ptr<std::byte> session::allocate(std::size_t bytes) {
  device_memory memory = temporary(bytes);
  check(cudaMemsetAsync(memory.get(), 0, bytes, stream_.get()), "cudaMemsetAsync");
  const auto free = [self = shared_from_this()](std::byte* p) noexcept {
    static_cast<void>(cudaSetDevice(self->index_));
    freed_on{self->stream_.get()}(p);
  };
  return {memory.release(), free};
}

void session::upload(float* to, const float* from, std::int64_t floats) {
  staging_.copy(to, from, bytes_of(floats), enter());
}

void session::download(float* to, const float* from, std::int64_t floats) {
  const cudaStream_t on = enter();
  check(cudaMemcpyAsync(to, from, bytes_of(floats), cudaMemcpyDeviceToHost, on), "cudaMemcpyAsync");
  check(cudaStreamSynchronize(on), "cudaStreamSynchronize");
}

} // namespace troupe::gpu::cuda
