// The one-dimensional transforms of Winograd's algorithm for six points, each over 16 channels at
// once. Two-dimensional ones apply them to columns, then to rows. Matrices as in Lavin & Gray 2016,
// section 4.3, extended to 2 outputs of a kernel of 5.
#pragma once

#include <immintrin.h>

namespace troupe::kernels::avx512 {

using vector = __m512;

static inline vector add(vector a, vector b) {
  return _mm512_add_ps(a, b);
}

static inline vector subtract(vector a, vector b) {
  return _mm512_sub_ps(a, b);
}

static inline vector add_scaled(vector a, float k, vector b) { // a + k b
  return _mm512_fmadd_ps(_mm512_set1_ps(k), b, a);
}

// out = B^T in, both of 6 values.
static inline void input_transform(const vector* in, vector* out, int out_stride) {
  const vector a = add_scaled(in[4], -4, in[2]), b = add_scaled(in[3], -4, in[1]);
  const vector c = subtract(in[4], in[2]), d = subtract(in[3], in[1]);
  out[0] = add_scaled(add_scaled(in[4], -5, in[2]), 4, in[0]);
  out[1 * out_stride] = add(a, b);
  out[2 * out_stride] = subtract(a, b);
  out[3 * out_stride] = add_scaled(c, 2, d);
  out[4 * out_stride] = add_scaled(c, -2, d);
  out[5 * out_stride] = add_scaled(add_scaled(in[5], -5, in[3]), 4, in[1]);
}

// out = A^T in: 6 values to Tile.
template <int Tile>
static inline void output_transform(const vector* in, vector* out, int out_stride) {
  const vector sum1 = add(in[1], in[2]), difference1 = subtract(in[1], in[2]);
  const vector sum2 = add(in[3], in[4]), difference2 = subtract(in[3], in[4]);
  out[0] = add(in[0], add(sum1, sum2));
  if constexpr (Tile == 2) {
    out[out_stride] = add(add_scaled(difference1, 2, difference2), in[5]);
  } else {
    out[out_stride] = add_scaled(difference1, 2, difference2);
    out[2 * out_stride] = add_scaled(sum1, 4, sum2);
    out[3 * out_stride] = add(add_scaled(difference1, 8, difference2), in[5]);
  }
}

// out = A in: Tile values to 6.
template <int Tile>
static inline void gradient_transform(const vector* in, vector* out, int out_stride) {
  out[0] = in[0];
  if constexpr (Tile == 2) {
    out[1 * out_stride] = add(in[0], in[1]);
    out[2 * out_stride] = subtract(in[0], in[1]);
    out[3 * out_stride] = add_scaled(in[0], 2, in[1]);
    out[4 * out_stride] = add_scaled(in[0], -2, in[1]);
    out[5 * out_stride] = in[1];
  } else {
    const vector even1 = add(in[0], in[2]), odd1 = add(in[1], in[3]);
    const vector even2 = add_scaled(in[0], 4, in[2]), odd2 = add_scaled(in[1], 4, in[3]);
    out[1 * out_stride] = add(even1, odd1);
    out[2 * out_stride] = subtract(even1, odd1);
    out[3 * out_stride] = add_scaled(even2, 2, odd2);
    out[4 * out_stride] = add_scaled(even2, -2, odd2);
    out[5 * out_stride] = in[3];
  }
}

// G: row i is scale_i * (1, p_i, p_i^2, ...) for the point p_i, the last one picks the highest
// power.
template <int Kernel>
struct kernel_matrix {
  float g[6][Kernel] = {};

  constexpr kernel_matrix() {
    constexpr double point[5] = {0, 1, -1, 2, -2};
    constexpr double scale[5] = {1.0 / 4, -1.0 / 6, -1.0 / 6, 1.0 / 24, 1.0 / 24};
    for (int i = 0; i < 5; ++i) {
      double power = 1;
      for (int j = 0; j < Kernel; ++j) {
        g[i][j] = static_cast<float>(scale[i] * power);
        power *= point[i];
      }
    }
    g[5][Kernel - 1] = 1;
  }
};

} // namespace troupe::kernels::avx512
