#include "ops/kernels/avx512/matrix_product.hpp"

#include <immintrin.h>

namespace troupe::kernels::avx512 {

namespace {

using vector = __m512;
constexpr int lanes = 16;

struct strides {
  std::int64_t a_row, a_depth, b, c;
};

template <int Rows, int Vectors>
inline void register_tile(int depth, const float* a, const float* b, float* c, const strides& s, bool accumulate) {
  vector sum[Rows][Vectors];
  for (int i = 0; i < Rows; ++i)
    for (int j = 0; j < Vectors; ++j)
      sum[i][j] = accumulate ? _mm512_loadu_ps(c + i * s.c + j * lanes) : _mm512_setzero_ps();
  for (int k = 0; k < depth; ++k) {
    vector right[Vectors];
    for (int j = 0; j < Vectors; ++j)
      right[j] = _mm512_loadu_ps(b + k * s.b + j * lanes);
    for (int i = 0; i < Rows; ++i) {
      const vector left = _mm512_set1_ps(a[i * s.a_row + k * s.a_depth]);
      for (int j = 0; j < Vectors; ++j)
        sum[i][j] = _mm512_fmadd_ps(left, right[j], sum[i][j]);
    }
  }
  for (int i = 0; i < Rows; ++i)
    for (int j = 0; j < Vectors; ++j)
      _mm512_storeu_ps(c + i * s.c + j * lanes, sum[i][j]);
}

template <int Rows, int Vectors>
void column_strip(int rows, int depth, const float* a, const float* b, float* c, const strides& s,
                  bool accumulate) {
  int row = 0;
  for (; row + Rows <= rows; row += Rows)
    register_tile<Rows, Vectors>(depth, a + row * s.a_row, b, c + row * s.c, s, accumulate);
  if constexpr (Rows > 1) {
    if (row < rows)
      column_strip<Rows / 2, Vectors>(
        rows - row, depth, a + row * s.a_row, b, c + row * s.c, s, accumulate);
  }
}

} // namespace

void matrix_product(const matrix_shape& shape, const left_matrix& a, const float* b, std::int64_t b_stride,
                    float* c, std::int64_t c_stride, bool accumulate) {
  const strides s{a.row_stride, a.depth_stride, b_stride, c_stride};
  int column = 0;
  for (; column + 4 * lanes <= shape.columns; column += 4 * lanes)
    column_strip<6, 4>(shape.rows, shape.depth, a.data, b + column, c + column, s, accumulate);
  for (; column + 2 * lanes <= shape.columns; column += 2 * lanes)
    column_strip<12, 2>(shape.rows, shape.depth, a.data, b + column, c + column, s, accumulate);
  for (; column + lanes <= shape.columns; column += lanes)
    column_strip<24, 1>(shape.rows, shape.depth, a.data, b + column, c + column, s, accumulate);
}

} // namespace troupe::kernels::avx512
