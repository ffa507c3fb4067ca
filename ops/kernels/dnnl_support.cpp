#include "ops/kernels/dnnl_support.hpp"

#include "ops/assert.hpp"

#include <omp.h>

namespace troupe::kernels {

const dnnl::engine& cpu_engine() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

void use_one_thread() {
  thread_local bool done = false;
  if (done) return;
  omp_set_num_threads(1);
  done = true;
}

dnnl::memory::dims with_batch(std::int64_t n, const shape& dims) {
  dnnl::memory::dims result{n};
  result.insert(result.end(), dims.begin(), dims.end());
  return result;
}

memory_desc plain_desc(const dnnl::memory::dims& dims) {
  dnnl::memory::dims strides(dims.size());
  dnnl::memory::dim stride = 1;
  for (std::size_t axis = dims.size(); axis-- > 0;) {
    strides[axis] = stride;
    stride *= dims[axis];
  }
  return memory_desc(dims, dnnl::memory::data_type::f32, strides);
}

memory_desc any_desc(const dnnl::memory::dims& dims) {
  return memory_desc(dims, dnnl::memory::data_type::f32, format::any);
}

memory_desc blocked_desc(const dnnl::memory::dims& dims) {
  TROUPE_ASSERT(dims.size() == 4, "blocked layouts are of images");
  return memory_desc(dims, dnnl::memory::data_type::f32, format::nChw16c);
}

bool is_plain(const memory_desc& desc) {
  return desc == plain_desc(desc.dims());
}

std::size_t float_count(const memory_desc& desc) {
  return desc.get_size() / sizeof(float);
}

} // namespace troupe::kernels
