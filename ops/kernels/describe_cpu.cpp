#include "ops/kernels/dnnl_support.hpp"
#include "ops/kernels/own_kernels.hpp"
#include "ops/program.hpp"

#include <string>
#include <vector>

namespace troupe {

namespace {

std::string isa_text(dnnl::cpu_isa isa) {
  switch (isa) {
  case dnnl::cpu_isa::sse41:
    return "SSE4.1";
  case dnnl::cpu_isa::avx:
    return "AVX";
  case dnnl::cpu_isa::avx2:
    return "AVX2";
  case dnnl::cpu_isa::avx512_core:
    return "AVX-512";
  case dnnl::cpu_isa::avx512_core_vnni:
    return "AVX-512 with VNNI";
  case dnnl::cpu_isa::avx512_core_bf16:
    return "AVX-512 with bfloat16";
  default:
    return "beyond AVX-512 with bfloat16 or unnamed (" + std::to_string(static_cast<int>(isa)) +
           ")";
  }
}

} // namespace

std::vector<std::string> describe_cpu_backend() {
  const dnnl::version_t* version = dnnl::version();
  return {
      "instruction set: " + isa_text(dnnl::get_effective_cpu_isa()),
      "oneDNN " + std::to_string(version->major) + "." + std::to_string(version->minor) + "." +
          std::to_string(version->patch) + ", one thread per computing actor",
      std::string("own kernels (Winograd convolution, fused pooling): ") +
          (kernels::own_kernels_supported() ? "on" : "off, they need AVX-512 F, BW, DQ and VL")};
}

} // namespace troupe
