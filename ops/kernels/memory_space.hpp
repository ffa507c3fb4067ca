// Where kernels work: in the memory of the CPU, where tensors lie already, or in that of a device,
// to which tensors are copied and from which results are copied back.
#pragma once

#include "ops/tensor.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>

namespace troupe::kernels {

class memory_space {
public:
  virtual ~memory_space() = default;

  // Kernels read and write tensors where they lie.
  [[nodiscard]] virtual bool holds_tensors() const = 0;

  // Zeroed, for kernels alone; freed with its last owner. Throws error.
  virtual std::shared_ptr<std::byte> allocate(std::size_t bytes) = 0;

  // `to` is of kernels: those that are run from now on see it.
  virtual void upload(float* to, const float* from, std::int64_t floats) = 0;
  // `from` is of kernels: what those that were run have written.
  virtual void download(float* to, const float* from, std::int64_t floats) = 0;
};

std::shared_ptr<memory_space> cpu_memory();

// What kernels see of tensors of one size that come one after the other.
class mirror {
public:
  mirror() = default;
  mirror(std::shared_ptr<memory_space> space, std::int64_t floats);

  float* show(const tensor& value);  // kept by the caller while kernels read it; never a target
  float* take(mutable_tensor& into); // for kernels to write
  void finish(mutable_tensor& into); // what they wrote is in it now

private:
  std::shared_ptr<memory_space> space_;
  std::shared_ptr<std::byte> place_; // where tensors are not seen themselves
  std::int64_t floats_ = 0;
};

} // namespace troupe::kernels
