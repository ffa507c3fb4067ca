#include "ops/kernels/avx512/fused_pool.hpp"

#include "ops/kernels/avx512/affine.hpp"

#include <immintrin.h>

namespace troupe::kernels::avx512 {

namespace {

using vector = __m512;
constexpr int lanes = 16;
constexpr char dead = 4; // 0..3: which of the four; relu let nothing through

struct quad { // the four values under one pooled one
  vector value[4];
};

inline quad load_quad(const float* at, int width) {
  return {{_mm512_load_ps(at),
           _mm512_load_ps(at + lanes),
           _mm512_load_ps(at + width * lanes),
           _mm512_load_ps(at + (width + 1) * lanes)}};
}

template <bool Normalised, bool Keep>
void pool_block(const image_shape& s,
                const affine& a,
                const float* in,
                float* out,
                std::uint8_t* which,
                float* picked) {
  const int rows = s.height / 2, columns = s.width / 2;
  for (int row = 0; row < rows; ++row) {
    for (int column = 0; column < columns; ++column) {
      const quad x = load_quad(in + (2 * row * s.width + 2 * column) * lanes, s.width);
      quad v = x;
      if constexpr (Normalised)
        for (vector& value : v.value)
          value = _mm512_fmadd_ps(value, a.factor, a.offset);
      const __mmask16 right_above = _mm512_cmp_ps_mask(v.value[1], v.value[0], _CMP_GT_OQ);
      const __mmask16 right_below = _mm512_cmp_ps_mask(v.value[3], v.value[2], _CMP_GT_OQ);
      const vector above = _mm512_max_ps(v.value[0], v.value[1]);
      const vector below = _mm512_max_ps(v.value[2], v.value[3]);
      const __mmask16 lower = _mm512_cmp_ps_mask(below, above, _CMP_GT_OQ);
      const vector largest = _mm512_max_ps(above, below);
      const __mmask16 alive = _mm512_cmp_ps_mask(largest, _mm512_setzero_ps(), _CMP_GT_OQ);
      const int at = (row * columns + column) * lanes;
      _mm512_store_ps(out + at, _mm512_maskz_mov_ps(alive, largest));
      if constexpr (Keep) {
        const auto right = static_cast<__mmask16>((right_above & ~lower) | (right_below & lower));
        const __m128i index =
            _mm_add_epi8(_mm_maskz_set1_epi8(right, 1), _mm_maskz_set1_epi8(lower, 2));
        _mm_store_si128(reinterpret_cast<__m128i*>(which + at),
                        _mm_mask_mov_epi8(_mm_set1_epi8(dead), alive, index));
        if constexpr (Normalised) {
          const vector x_above = _mm512_mask_mov_ps(x.value[0], right_above, x.value[1]);
          const vector x_below = _mm512_mask_mov_ps(x.value[2], right_below, x.value[3]);
          _mm512_store_ps(picked + at, _mm512_mask_mov_ps(x_above, lower, x_below));
        }
      }
    }
  }
}

struct channel_sums {
  vector gradient = _mm512_setzero_ps();
  vector gradient_times_centred = _mm512_setzero_ps(); // (x - mean)
};

channel_sums sum_gradients(const image_shape& s,
                           int block,
                           const affine& a,
                           const float* gradient,
                           const std::uint8_t* which,
                           const float* picked) {
  const int blocks = s.channels / lanes, pixels = (s.height / 2) * (s.width / 2);
  channel_sums total;
  for (int image = 0; image < s.images; ++image) {
    const std::int64_t at = (std::int64_t{image} * blocks + block) * pixels * lanes;
    channel_sums part;
    for (int i = 0; i < pixels; ++i) {
      const __m128i index =
          _mm_load_si128(reinterpret_cast<const __m128i*>(which + at + i * lanes));
      const __mmask16 alive = _mm_cmplt_epi8_mask(index, _mm_set1_epi8(dead));
      const vector g = _mm512_maskz_load_ps(alive, gradient + at + i * lanes);
      part.gradient = _mm512_add_ps(part.gradient, g);
      if (picked != nullptr)
        part.gradient_times_centred =
            _mm512_fmadd_ps(g,
                            _mm512_sub_ps(_mm512_load_ps(picked + at + i * lanes), a.mean),
                            part.gradient_times_centred);
    }
    total.gradient = _mm512_add_ps(total.gradient, part.gradient);
    total.gradient_times_centred =
        _mm512_add_ps(total.gradient_times_centred, part.gradient_times_centred);
  }
  return total;
}

template <bool Normalised>
inline vector without_gradient(const gradient_rule& r, const float* x) {
  if constexpr (Normalised)
    return _mm512_fnmadd_ps(r.slope, _mm512_load_ps(x), r.constant);
  else
    return _mm512_setzero_ps();
}

template <bool Normalised>
void spread_block(const image_shape& s,
                  const gradient_rule& r,
                  const float* in,
                  const float* gradient,
                  const std::uint8_t* which,
                  float* out) {
  const int rows = s.height / 2, columns = s.width / 2;
  for (int row = 0; row < rows; ++row) {
    for (int column = 0; column < columns; ++column) {
      const int pooled = (row * columns + column) * lanes;
      const __m128i index = _mm_load_si128(reinterpret_cast<const __m128i*>(which + pooled));
      const vector g = _mm512_mul_ps(r.factor, _mm512_load_ps(gradient + pooled));
      for (int k = 0; k < 4; ++k) {
        const int at = ((2 * row + k / 2) * s.width + 2 * column + k % 2) * lanes;
        const __mmask16 chosen = _mm_cmpeq_epi8_mask(index, _mm_set1_epi8(static_cast<char>(k)));
        const vector base = without_gradient<Normalised>(r, in + at);
        _mm512_store_ps(out + at, _mm512_mask_add_ps(base, chosen, base, g));
      }
    }
    if (s.width % 2 != 0) {
      for (int k = 0; k < 2; ++k) {
        const int at = ((2 * row + k) * s.width + s.width - 1) * lanes;
        _mm512_store_ps(out + at, without_gradient<Normalised>(r, in + at));
      }
    }
  }
  if (s.height % 2 != 0) {
    for (int column = 0; column < s.width; ++column) {
      const int at = ((s.height - 1) * s.width + column) * lanes;
      _mm512_store_ps(out + at, without_gradient<Normalised>(r, in + at));
    }
  }
}

} // namespace

void pool_forward(const image_shape& s,
                  const normalisation& norm,
                  const float* input,
                  float* output,
                  std::uint8_t* which,
                  float* picked) {
  const int blocks = s.channels / lanes;
  const std::int64_t size = std::int64_t{s.height} * s.width * lanes;
  const std::int64_t pooled = std::int64_t{s.height / 2} * (s.width / 2) * lanes;
  for (int image = 0; image < s.images; ++image) {
    for (int block = 0; block < blocks; ++block) {
      const std::int64_t i = std::int64_t{image} * blocks + block;
      const affine a = affine_of(norm, block * lanes);
      const float* in = input + i * size;
      float* out = output + i * pooled;
      if (norm.mean == nullptr && which != nullptr)
        pool_block<false, true>(s, a, in, out, which + i * pooled, nullptr);
      else if (norm.mean == nullptr)
        pool_block<false, false>(s, a, in, out, nullptr, nullptr);
      else if (which != nullptr)
        pool_block<true, true>(s, a, in, out, which + i * pooled, picked + i * pooled);
      else
        pool_block<true, false>(s, a, in, out, nullptr, nullptr);
    }
  }
}

void pool_backward(const image_shape& s,
                   const normalisation& norm,
                   const float* input,
                   const float* output_gradient,
                   const std::uint8_t* which,
                   const float* picked,
                   float* input_gradient,
                   float* scale_gradient,
                   float* shift_gradient) {
  const int blocks = s.channels / lanes;
  const std::int64_t size = std::int64_t{s.height} * s.width * lanes;
  const std::int64_t pooled = std::int64_t{s.height / 2} * (s.width / 2) * lanes;
  const bool normalised = norm.mean != nullptr;
  for (int block = 0; block < blocks; ++block) {
    const affine a = affine_of(norm, block * lanes);
    gradient_rule rule;
    if (normalised || shift_gradient != nullptr) {
      const channel_sums sums = sum_gradients(s, block, a, output_gradient, which, picked);
      if (shift_gradient != nullptr)
        _mm512_storeu_ps(shift_gradient + block * lanes, sums.gradient);
      if (normalised) {
        _mm512_storeu_ps(scale_gradient + block * lanes,
                         _mm512_mul_ps(sums.gradient_times_centred, a.inverse));
        rule = rule_of(s, a, _mm512_mul_ps(sums.gradient_times_centred, a.inverse), sums.gradient);
      }
    }
    for (int image = 0; image < s.images; ++image) {
      const std::int64_t i = std::int64_t{image} * blocks + block;
      const float* in = normalised ? input + i * size : nullptr;
      if (normalised)
        spread_block<true>(s,
                           rule,
                           in,
                           output_gradient + i * pooled,
                           which + i * pooled,
                           input_gradient + i * size);
      else
        spread_block<false>(s,
                            rule,
                            in,
                            output_gradient + i * pooled,
                            which + i * pooled,
                            input_gradient + i * size);
    }
  }
}

} // namespace troupe::kernels::avx512
