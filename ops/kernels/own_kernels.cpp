#include "ops/kernels/own_kernels.hpp"

namespace troupe::kernels {

bool own_kernels_supported() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

} // namespace troupe::kernels
