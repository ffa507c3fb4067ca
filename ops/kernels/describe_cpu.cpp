#include "ops/kernels/dnnl_support.hpp"
#include "ops/kernels/own_kernels.hpp"
#include "ops/program.hpp"

#include <string>
#include <utility>
#include <vector>

namespace troupe {

namespace {

// The most that oneDNN has a name for: each set of instructions is the bits of those that it has,
// and some that it uses are between two names.
std::string isa_text(dnnl::cpu_isa isa) {
  const std::vector<std::pair<dnnl::cpu_isa, const char*>> named = {
      {dnnl::cpu_isa::avx512_core_amx, "AVX-512 with AMX"},
      {dnnl::cpu_isa::avx512_core_bf16, "AVX-512 with bfloat16"},
      {dnnl::cpu_isa::avx512_core_vnni, "AVX-512 with VNNI"},
      {dnnl::cpu_isa::avx512_core, "AVX-512"},
      {dnnl::cpu_isa::avx2, "AVX2"},
      {dnnl::cpu_isa::avx, "AVX"},
      {dnnl::cpu_isa::sse41, "SSE4.1"}};
  const auto bits = static_cast<unsigned>(isa);
  for (const auto& [known, text] : named)
    if (const auto all = static_cast<unsigned>(known); (bits & all) == all) return text;
  return "unnamed (" + std::to_string(bits) + ")";
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
