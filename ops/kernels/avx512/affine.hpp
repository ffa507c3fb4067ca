// The affine map of a batch norm for 16 channels, shared by the kernels that apply it.
#pragma once

#include "ops/kernels/avx512/batch_norm.hpp"

#include <immintrin.h>

namespace troupe::kernels::avx512 {

struct affine { // y = factor * x + offset
  __m512 factor = _mm512_set1_ps(1);
  __m512 offset = _mm512_setzero_ps();
  __m512 mean = _mm512_setzero_ps();
  __m512 inverse = _mm512_setzero_ps(); // 1 / sqrt(variance + epsilon)
};

static inline affine affine_of(const normalisation& n, int channel) {
  affine a;
  if (n.mean == nullptr) return a;
  a.mean = _mm512_loadu_ps(n.mean + channel);
  const __m512 variance = _mm512_loadu_ps(n.variance + channel);
  a.inverse = _mm512_div_ps(_mm512_set1_ps(1),
                            _mm512_sqrt_ps(_mm512_add_ps(variance, _mm512_set1_ps(n.epsilon))));
  a.factor = _mm512_mul_ps(_mm512_loadu_ps(n.scale + channel), a.inverse);
  a.offset = _mm512_fnmadd_ps(a.mean, a.factor, _mm512_loadu_ps(n.shift + channel));
  return a;
}

// dx = factor * (dy - mean(dy) - xhat * mean(dy * xhat)) = factor * dy + constant - slope * x
struct gradient_rule {
  __m512 factor = _mm512_set1_ps(1);
  __m512 constant = _mm512_setzero_ps();
  __m512 slope = _mm512_setzero_ps();
};

// From the gradients of scale, sum(dy * xhat), and shift, sum(dy).
static inline gradient_rule
rule_of(const image_shape& s, const affine& a, __m512 scale_gradient, __m512 shift_gradient) {
  const float count = static_cast<float>(s.images) * static_cast<float>(s.height * s.width);
  const __m512 per_value = _mm512_set1_ps(1.0F / count);
  const __m512 mean_gradient = _mm512_mul_ps(shift_gradient, per_value);
  const __m512 mean_product = _mm512_mul_ps(_mm512_mul_ps(scale_gradient, a.inverse), per_value);
  gradient_rule r;
  r.factor = a.factor;
  r.slope = _mm512_mul_ps(a.factor, mean_product);
  r.constant = _mm512_fmsub_ps(r.slope, a.mean, _mm512_mul_ps(a.factor, mean_gradient));
  return r;
}

} // namespace troupe::kernels::avx512
