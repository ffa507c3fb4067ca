// What all work on one device shares: its stream, its memory and the handles of the libraries. It
// lives until the last buffer and the last layer of it are gone, so that they may outlive `device`.
#pragma once

#include "gpu/cuda/handles.hpp"
#include "gpu/cuda/staging.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace troupe::gpu::cuda {

class session : public std::enable_shared_from_this<session> {
public:
  explicit session(int index); // REQUIRES: there is such a device; owned by shared_ptr
  ~session();
  session(const session&) = delete;
  session& operator=(const session&) = delete;

  [[nodiscard]] const std::string& name() const { return name_; }

  // Makes the device that of this thread. Each of these is called before CUDA is used.
  [[nodiscard]] cudaStream_t enter() const;
  [[nodiscard]] cudnnHandle_t enter_cudnn() const;
  [[nodiscard]] cublasHandle_t enter_cublas() const;

  std::shared_ptr<std::byte> allocate(std::size_t bytes); // zeroed
  device_memory temporary(std::size_t bytes);             // not zeroed; gone before the session is

  void upload(float* to, const float* from, std::int64_t floats);
  void download(float* to, const float* from, std::int64_t floats);

private:
  int index_;
  std::string name_;
  stream stream_;
  memory_pool pool_;
  cudnn_handle cudnn_;
  device_memory cublas_workspace_; // outlives cublas_
  cublas_handle cublas_;
  staging staging_;
};

} // namespace troupe::gpu::cuda
