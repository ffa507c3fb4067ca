#include "gpu/cuda/devices.hpp"

#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include <optional>

namespace troupe::gpu::cuda {

namespace {

// CUDA writes 13.2 as 13020.
std::string version_text(int version) {
  return fmt::format("{}.{}", version / 1000, version % 1000 / 10);
}

void forget_failure() {
  static_cast<void>(cudaGetLastError());
}

// Sets the thread's device back as it was.
class device_restored {
public:
  device_restored() : known_(cudaGetDevice(&index_) == cudaSuccess) {}

  device_restored(const device_restored&) = delete;
  device_restored& operator=(const device_restored&) = delete;

  ~device_restored() {
    if (known_) static_cast<void>(cudaSetDevice(index_));
    forget_failure();
  }

private:
  int index_ = 0;
  bool known_ = false;
};

std::optional<device_description> describe(int index) {
  cudaDeviceProp properties{};
  if (cudaGetDeviceProperties(&properties, index) != cudaSuccess) return {};
  device_description out{.index = index,
                         .name = properties.name,
                         .major = properties.major,
                         .minor = properties.minor,
                         .memory_bytes = properties.totalGlobalMem};
  std::size_t total = 0;
  if (cudaSetDevice(index) != cudaSuccess || cudaMemGetInfo(&out.free_bytes, &total) != cudaSuccess)
    out.free_bytes = 0;
  return out;
}

std::string driver_fault(int driver) {
  int needed = CUDART_VERSION;
  static_cast<void>(cudaRuntimeGetVersion(&needed));
  return driver == 0 ? "no NVIDIA driver"
                     : fmt::format("the driver is of CUDA {}, this program needs {}",
                                   version_text(driver),
                                   version_text(needed / 1000 * 1000)); // minor ones may differ
}

} // namespace

std::vector<device_description> devices() {
  const device_restored as_it_was;
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess) return {};
  std::vector<device_description> out;
  for (int index = 0; index < count; ++index)
    if (auto description = describe(index)) out.push_back(std::move(*description));
  return out;
}

std::string why_no_device() {
  int count = 0, driver = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status == cudaSuccess && count > 0) return "";
  forget_failure();
  if (cudaDriverGetVersion(&driver) != cudaSuccess) driver = 0;
  forget_failure();
  if (driver == 0 || status == cudaErrorInsufficientDriver) return driver_fault(driver);
  if (status == cudaSuccess || status == cudaErrorNoDevice)
    return "the NVIDIA driver shows no GPU (CUDA_VISIBLE_DEVICES may hide it)";
  return fmt::format("{}: {}", cudaGetErrorName(status), cudaGetErrorString(status));
}

} // namespace troupe::gpu::cuda
