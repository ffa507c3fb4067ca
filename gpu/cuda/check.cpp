#include "gpu/cuda/check.hpp"

#include "gpu/cuda/devices.hpp"
#include "ops/error.hpp"

#include <fmt/format.h>

#include <array>
#include <string>

namespace troupe::gpu::cuda {

namespace {

std::string size_text(std::size_t bytes) {
  const auto mebibytes = static_cast<double>(bytes) / (1 << 20);
  return mebibytes < 1024 ? fmt::format("{:.1f} MiB", mebibytes)
                          : fmt::format("{:.1f} GiB", mebibytes / 1024);
}

std::string current_gpu() {
  int index = 0;
  return cudaGetDevice(&index) == cudaSuccess ? fmt::format("GPU {}", index) : "the GPU";
}

std::string free_text() {
  std::size_t free = 0, total = 0;
  if (cudaMemGetInfo(&free, &total) != cudaSuccess) return "";
  return fmt::format("{} of its {} are free", size_text(free), size_text(total));
}

std::string reason(cudaError_t status) {
  return fmt::format("{}: {}", cudaGetErrorName(status), cudaGetErrorString(status));
}

error out_of_memory(const std::string& asked, const char* call) {
  return error({.what = current_gpu() + " has no room for " + asked,
                .where = call,
                .why = free_text(),
                .help = "use smaller microbatches, or a GPU that no other program uses",
                .kind = error_kind::environment});
}

// After these each further call fails, until the process ends.
bool loses_context(cudaError_t status) {
  switch (status) {
  case cudaErrorECCUncorrectable:
  case cudaErrorNvlinkUncorrectable:
  case cudaErrorContained:
  case cudaErrorIllegalAddress:
  case cudaErrorLaunchTimeout:
  case cudaErrorContextIsDestroyed:
  case cudaErrorAssert:
  case cudaErrorHardwareStackError:
  case cudaErrorIllegalInstruction:
  case cudaErrorMisalignedAddress:
  case cudaErrorInvalidAddressSpace:
  case cudaErrorInvalidPc:
  case cudaErrorLaunchFailure:
  case cudaErrorTensorMemoryLeak:
  case cudaErrorMpsClientTerminated:
  case cudaErrorExternalDevice:
  case cudaErrorUnknown:
    return true;
  default:
    return false;
  }
}

error lost_context(cudaError_t status, const char* call) {
  return error({.what = current_gpu() + " has failed, and this process cannot use it any more",
                .where = call,
                .why = reason(status) + " (of this call or of a kernel that ran before it)",
                .help = "start the process anew: a CUDA context that is lost stays lost",
                .kind = error_kind::environment});
}

error no_device(cudaError_t status, const char* call) {
  const std::string why = why_no_device();
  return error({.what = "no GPU can be used",
                .where = call,
                .why = why.empty() ? reason(status) : why,
                .help = "see whether nvidia-smi lists a GPU, or use the CPU",
                .kind = error_kind::environment});
}

error no_kernels(cudaError_t status, const char* call) {
  return error({.what = "this program has no kernels for " + current_gpu(),
                .where = call,
                .why = reason(status),
                .help = "build it with this GPU's number in CMAKE_CUDA_ARCHITECTURES",
                .kind = error_kind::environment});
}

error not_started(cudaError_t status, const char* call) {
  return error({.what = "CUDA does not start in this process",
                .where = call,
                .why = reason(status) + "; a child of a process that had used CUDA cannot use it",
                .help = "open GPUs after fork(), or see whether nvidia-smi works",
                .kind = error_kind::environment});
}

error failed(const std::string& library, const std::string& why, const char* call) {
  return error({.what = library + " has failed on " + current_gpu(),
                .where = call,
                .why = why,
                .help = "report it: Troupe has called it wrongly, or the GPU is at fault"});
}

error error_of(cudaError_t status, const char* call) {
  if (loses_context(status)) return lost_context(status, call);
  switch (status) {
  case cudaErrorMemoryAllocation:
    return out_of_memory("what was asked for", call);
  case cudaErrorNoDevice:
  case cudaErrorInvalidDevice:
  case cudaErrorInsufficientDriver:
  case cudaErrorCallRequiresNewerDriver:
  case cudaErrorStubLibrary:
  case cudaErrorDevicesUnavailable:
  case cudaErrorSystemNotReady:
  case cudaErrorSystemDriverMismatch:
  case cudaErrorCompatNotSupportedOnDevice:
    return no_device(status, call);
  case cudaErrorNoKernelImageForDevice:
  case cudaErrorInvalidDeviceFunction:
  case cudaErrorUnsupportedPtxVersion:
  case cudaErrorJitCompilerNotFound:
  case cudaErrorJitCompilationDisabled:
    return no_kernels(status, call);
  case cudaErrorInitializationError:
    return not_started(status, call);
  default:
    return failed("CUDA", reason(status), call);
  }
}

// A library's failure is often that of the context, or of memory, which CUDA tells more clearly.
void check_cause(const char* call) {
  const cudaError_t cause = cudaGetLastError();
  if (loses_context(cause) || cause == cudaErrorMemoryAllocation) throw error_of(cause, call);
}

std::string reason(cudnnStatus_t status) {
  std::array<char, 1024> last{};
  cudnnGetLastErrorString(last.data(), last.size());
  const std::string details = last.data();
  return cudnnGetErrorString(status) + (details.empty() ? "" : ": " + details);
}

} // namespace

void check(cudaError_t status, const char* call) {
  if (status == cudaSuccess) return;
  static_cast<void>(cudaGetLastError()); // else the next launch would report it again
  throw error_of(status, call);
}

void check_memory(cudaError_t status, std::size_t bytes, const char* call) {
  if (status != cudaErrorMemoryAllocation) return check(status, call);
  static_cast<void>(cudaGetLastError());
  throw out_of_memory(size_text(bytes), call);
}

void check(cudnnStatus_t status, const char* call) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  const std::string why = reason(status);
  check_cause(call);
  if (status == CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED)
    throw out_of_memory("the memory of cuDNN", call);
  throw failed("cuDNN", why, call);
}

void check(cublasStatus_t status, const char* call) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  check_cause(call);
  if (status == CUBLAS_STATUS_ALLOC_FAILED) throw out_of_memory("the memory of cuBLAS", call);
  throw failed("cuBLAS",
               fmt::format("{}: {}", cublasGetStatusName(status), cublasGetStatusString(status)),
               call);
}

} // namespace troupe::gpu::cuda
