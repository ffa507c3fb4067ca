// What CUDA, cuDNN and cuBLAS report, told as `error`. Each call to them is checked; `call` is the
// name of the function whose status it is.
#pragma once

#include <cublas_v2.h>
#include <cuda_runtime_api.h>
#include <cudnn.h>

#include <cstddef>

namespace troupe::gpu::cuda {

void check(cudaError_t status, const char* call);
void check(cudnnStatus_t status, const char* call);
void check(cublasStatus_t status, const char* call);

// Of a call that asked for `bytes` of the current device's memory.
void check_memory(cudaError_t status, std::size_t bytes, const char* call);

} // namespace troupe::gpu::cuda
