// What every file that talks to oneDNN shares.
#pragma once

#include "ops/tensor.hpp"

#include <oneapi/dnnl/dnnl.hpp>

#include <cstddef>
#include <cstdint>
#include <string>

namespace troupe::kernels {

using memory_desc = dnnl::memory::desc;
using format = dnnl::memory::format_tag;

const dnnl::engine& cpu_engine();

// oneDNN on Debian runs on OpenMP, and the bits of a primitive depend on the number of OpenMP
// threads at its creation. Parallelism is the actors' business here, so every thread that creates
// or executes primitives sets its own number to one. Cheap after the first call on a thread.
void use_one_thread();

dnnl::memory::dims with_batch(std::int64_t n, const shape& dims);

// float32, row-major ("nchw" for four axes); `any`: the primitive chooses.
memory_desc plain_desc(const dnnl::memory::dims& dims);
memory_desc any_desc(const dnnl::memory::dims& dims);
memory_desc blocked_desc(const dnnl::memory::dims& dims); // nChw16c

bool is_plain(const memory_desc& desc);
std::size_t float_count(const memory_desc& desc); // padding included

inline float* floats(const dnnl::memory& memory) {
  return static_cast<float*>(memory.get_data_handle());
}

// "jit:avx512_core" as oneDNN names the kernel behind a primitive.
template <class PrimitiveDesc>
std::string implementation(const PrimitiveDesc& desc) {
  return desc.impl_info_str();
}

} // namespace troupe::kernels
