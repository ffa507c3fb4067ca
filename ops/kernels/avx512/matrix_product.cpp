#include "ops/kernels/avx512/matrix_product.hpp"

#include <immintrin.h>

namespace troupe::kernels::avx512 {

namespace {

using vector = __m512;
constexpr int lanes = 16;

// Strides that the compiler knows become part of the addresses of broadcast operands; otherwise
// each multiplication of a small product would need address arithmetic. 0: known at run time only.
template <int RowStride, int Columns>
struct strides {
  std::int64_t a_row_any, a_depth_any, b_any, c_any;

  [[nodiscard]] constexpr std::int64_t a_row() const {
    return RowStride != 0 ? RowStride : a_row_any;
  }

  [[nodiscard]] constexpr std::int64_t a_depth() const { return RowStride > 1 ? 1 : a_depth_any; }

  [[nodiscard]] constexpr std::int64_t b() const { return Columns != 0 ? Columns : b_any; }

  [[nodiscard]] constexpr std::int64_t c() const { return Columns != 0 ? Columns : c_any; }
};

template <int Rows, int Vectors, bool Accumulate, class Strides>
inline void register_tile(int depth, const float* a, const float* b, float* c, const Strides& s) {
  vector sum[Rows][Vectors];
  for (int i = 0; i < Rows; ++i)
    for (int j = 0; j < Vectors; ++j)
      sum[i][j] = Accumulate ? _mm512_loadu_ps(c + i * s.c() + j * lanes) : _mm512_setzero_ps();
  for (int k = 0; k < depth; ++k) {
    vector right[Vectors];
    for (int j = 0; j < Vectors; ++j)
      right[j] = _mm512_loadu_ps(b + j * lanes);
    for (int i = 0; i < Rows; ++i) {
      const vector left = _mm512_set1_ps(a[i * s.a_row()]);
      for (int j = 0; j < Vectors; ++j)
        sum[i][j] = _mm512_fmadd_ps(left, right[j], sum[i][j]);
    }
    a += s.a_depth();
    b += s.b();
  }
  for (int i = 0; i < Rows; ++i)
    for (int j = 0; j < Vectors; ++j)
      _mm512_storeu_ps(c + i * s.c() + j * lanes, sum[i][j]);
}

template <int Rows, int Vectors, bool Accumulate, class Strides>
inline void
column_strip(int rows, int depth, const float* a, const float* b, float* c, const Strides& s) {
  int row = 0;
  for (; row + Rows <= rows; row += Rows)
    register_tile<Rows, Vectors, Accumulate>(depth, a + row * s.a_row(), b, c + row * s.c(), s);
  if constexpr (Rows > 1) {
    if (row < rows)
      column_strip<Rows / 2, Vectors, Accumulate>(
          rows - row, depth, a + row * s.a_row(), b, c + row * s.c(), s);
  }
}

template <bool Accumulate, class Strides>
inline void product(
    int rows, int columns, int depth, const float* a, const float* b, float* c, const Strides& s) {
  int column = 0;
  for (; column + 4 * lanes <= columns; column += 4 * lanes)
    column_strip<4, 4, Accumulate>(rows, depth, a, b + column, c + column, s);
  for (; column + 2 * lanes <= columns; column += 2 * lanes)
    column_strip<8, 2, Accumulate>(rows, depth, a, b + column, c + column, s);
  for (; column + lanes <= columns; column += lanes)
    column_strip<16, 1, Accumulate>(rows, depth, a, b + column, c + column, s);
}

template <int RowStride, int Columns>
void products(const product_shape& shape,
              const left_matrices& a,
              const right_matrices& b,
              const result_matrices& c,
              bool accumulate) {
  const strides<RowStride, Columns> s{a.row_stride, a.depth_stride, b.row_stride, c.row_stride};
  const int columns = Columns != 0 ? Columns : shape.columns;
  const int depth = Columns != 0 && RowStride == Columns ? Columns : shape.depth;
  for (int i = 0; i < shape.count; ++i) {
    const float* left = a.data + i * a.next;
    const float* right = b.data + i * b.next;
    float* result = c.data + i * c.next;
    if (accumulate)
      product<true>(shape.rows, columns, depth, left, right, result, s);
    else
      product<false>(shape.rows, columns, depth, left, right, result, s);
  }
}

} // namespace

void matrix_products(const product_shape& shape,
                     const left_matrices& a,
                     const right_matrices& b,
                     const result_matrices& c,
                     bool accumulate) {
  const bool dense_right = b.row_stride == shape.columns && c.row_stride == shape.columns;
  const bool dense_left = a.depth_stride == 1 && a.row_stride == shape.depth;
  if (a.row_stride == 1) return products<1, 0>(shape, a, b, c, accumulate);
  if (dense_left && dense_right && shape.depth == shape.columns) {
    switch (shape.depth) {
    case 16:
      return products<16, 16>(shape, a, b, c, accumulate);
    case 32:
      return products<32, 32>(shape, a, b, c, accumulate);
    default:
      break;
    }
  }
  switch (dense_left ? shape.depth : 0) {
  case 16:
    return products<16, 0>(shape, a, b, c, accumulate);
  case 32:
    return products<32, 0>(shape, a, b, c, accumulate);
  case 64:
    return products<64, 0>(shape, a, b, c, accumulate);
  case 128:
    return products<128, 0>(shape, a, b, c, accumulate);
  default:
    return products<0, 0>(shape, a, b, c, accumulate);
  }
}

} // namespace troupe::kernels::avx512
