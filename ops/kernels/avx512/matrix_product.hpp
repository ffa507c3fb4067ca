// C = A B (+ C) for the small matrices of Winograd's algorithm: row-major B and C whose columns are
// multiples of 16, any strides of A. Register tiles of 6 x 64, 12 x 32 or 24 x 16.
#pragma once

#include <cstdint>

namespace troupe::kernels::avx512 {

struct matrix_shape {
  int rows = 0, columns = 0, depth = 0;
};

struct left_matrix {
  const float* data = nullptr;
  std::int64_t row_stride = 0, depth_stride = 0;
};

void matrix_product(const matrix_shape& shape, const left_matrix& a, const float* b, std::int64_t b_stride,
                    float* c, std::int64_t c_stride, bool accumulate);

} // namespace troupe::kernels::avx512
