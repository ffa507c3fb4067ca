// C = A B (+ C) for the many small matrices of Winograd's algorithm: row-major B and C whose
// columns are multiples of 16, any strides of A. Register tiles of 4 x 64, 8 x 32 or 16 x 16: 16
// sums cover the latency of two multipliers, and channel counts divide evenly.
#pragma once

#include <cstdint>

namespace troupe::kernels::avx512 {

struct product_shape {
  int rows = 0, columns = 0, depth = 0;
  int count = 0; // of products
};

struct left_matrices {
  const float* data = nullptr;
  std::int64_t row_stride = 0, depth_stride = 0;
  std::int64_t next = 0; // floats from one matrix to the next
};

struct right_matrices {
  const float* data = nullptr;
  std::int64_t row_stride = 0, next = 0;
};

struct result_matrices {
  float* data = nullptr;
  std::int64_t row_stride = 0, next = 0;
};

void matrix_products(const product_shape& shape,
                     const left_matrices& a,
                     const right_matrices& b,
                     const result_matrices& c,
                     bool accumulate);

} // namespace troupe::kernels::avx512
