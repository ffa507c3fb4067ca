#include "ops/kernels/avx512/batch_norm.hpp"

#include "ops/kernels/avx512/affine.hpp"

#include <immintrin.h>

namespace troupe::kernels::avx512 {

namespace {

using vector = __m512;
constexpr int lanes = 16;

// Sum of f(pixel) over one image's block, in four independent chains.
template <class Value>
inline vector sum_over(int pixels, Value value) {
  vector sum[4] = {
      _mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps()};
  int i = 0;
  for (; i + 4 <= pixels; i += 4)
    for (int j = 0; j < 4; ++j)
      sum[j] = _mm512_add_ps(sum[j], value(i + j));
  for (; i < pixels; ++i)
    sum[0] = _mm512_add_ps(sum[0], value(i));
  return _mm512_add_ps(_mm512_add_ps(sum[0], sum[1]), _mm512_add_ps(sum[2], sum[3]));
}

// Calls visit(first value, floats) for each image's part of a block of 16 channels.
template <class Visit>
inline void for_each_image(const image_shape& s, int block, Visit visit) {
  const std::int64_t size = std::int64_t{s.height} * s.width * lanes;
  const int blocks = s.channels / lanes;
  for (int image = 0; image < s.images; ++image)
    visit((std::int64_t{image} * blocks + block) * size, size);
}

template <relu_mask Mask>
inline vector masked(vector gradient, const affine& a, vector x, const float* output) {
  if constexpr (Mask == relu_mask::from_input) {
    const vector y = _mm512_fmadd_ps(x, a.factor, a.offset);
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(y, _mm512_setzero_ps(), _CMP_GT_OQ), gradient);
  } else if constexpr (Mask == relu_mask::from_output) {
    const vector y = _mm512_load_ps(output);
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(y, _mm512_setzero_ps(), _CMP_GT_OQ), gradient);
  } else {
    return gradient;
  }
}

struct channel_sums {
  vector gradient[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()};
  vector product[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()}; // with x - mean
};

template <relu_mask Mask, bool Two, bool Write>
void sum_block(const image_shape& s,
               int block,
               const affine& a,
               const float* input,
               const output_gradient& g,
               float* scale_gradient,
               float* shift_gradient) {
  vector total = _mm512_setzero_ps(), total_product = _mm512_setzero_ps();
  for_each_image(s, block, [&](std::int64_t first, std::int64_t size) {
    channel_sums part;
    const auto add = [&](std::int64_t i, int chain) {
      const vector x = _mm512_load_ps(input + i);
      vector dy = _mm512_load_ps(g.first + i);
      if constexpr (Two) dy = _mm512_add_ps(dy, _mm512_load_ps(g.second + i));
      dy = masked<Mask>(dy, a, x, g.output + i);
      if constexpr (Write) _mm512_store_ps(g.sum + i, dy);
      part.gradient[chain] = _mm512_add_ps(part.gradient[chain], dy);
      part.product[chain] = _mm512_fmadd_ps(dy, _mm512_sub_ps(x, a.mean), part.product[chain]);
    };
    std::int64_t i = 0;
    for (; i + 2 * lanes <= size; i += 2 * lanes) {
      add(first + i, 0);
      add(first + i + lanes, 1);
    }
    if (i < size) add(first + i, 0);
    total = _mm512_add_ps(total, _mm512_add_ps(part.gradient[0], part.gradient[1]));
    total_product = _mm512_add_ps(total_product, _mm512_add_ps(part.product[0], part.product[1]));
  });
  _mm512_storeu_ps(shift_gradient + block * lanes, total);
  _mm512_storeu_ps(scale_gradient + block * lanes, _mm512_mul_ps(total_product, a.inverse));
}

template <relu_mask Mask>
void sum_blocks(const image_shape& s,
                const normalisation& norm,
                const float* input,
                const output_gradient& g,
                float* scale_gradient,
                float* shift_gradient) {
  for (int block = 0; block < s.channels / lanes; ++block) {
    const affine a = affine_of(norm, block * lanes);
    if (g.second != nullptr && g.sum != nullptr)
      sum_block<Mask, true, true>(s, block, a, input, g, scale_gradient, shift_gradient);
    else if (g.second != nullptr)
      sum_block<Mask, true, false>(s, block, a, input, g, scale_gradient, shift_gradient);
    else if (g.sum != nullptr)
      sum_block<Mask, false, true>(s, block, a, input, g, scale_gradient, shift_gradient);
    else
      sum_block<Mask, false, false>(s, block, a, input, g, scale_gradient, shift_gradient);
  }
}

template <bool Added, bool Relu>
void normalise_blocks(const image_shape& s,
                      const normalisation& norm,
                      const float* input,
                      const float* added,
                      float* output) {
  for (int block = 0; block < s.channels / lanes; ++block) {
    const affine a = affine_of(norm, block * lanes);
    for_each_image(s, block, [&](std::int64_t first, std::int64_t size) {
      for (std::int64_t i = first; i < first + size; i += lanes) {
        vector y = _mm512_fmadd_ps(_mm512_load_ps(input + i), a.factor, a.offset);
        if constexpr (Added) y = _mm512_add_ps(y, _mm512_load_ps(added + i));
        if constexpr (Relu) y = _mm512_max_ps(y, _mm512_setzero_ps());
        _mm512_store_ps(output + i, y);
      }
    });
  }
}

template <relu_mask Mask>
void input_gradient_blocks(const image_shape& s,
                           const normalisation& norm,
                           const float* input,
                           const float* gradient,
                           const float* scale_gradient,
                           const float* shift_gradient,
                           float* result) {
  for (int block = 0; block < s.channels / lanes; ++block) {
    const affine a = affine_of(norm, block * lanes);
    const gradient_rule r = rule_of(s,
                                    a,
                                    _mm512_loadu_ps(scale_gradient + block * lanes),
                                    _mm512_loadu_ps(shift_gradient + block * lanes));
    for_each_image(s, block, [&](std::int64_t first, std::int64_t size) {
      for (std::int64_t i = first; i < first + size; i += lanes) {
        const vector x = _mm512_load_ps(input + i);
        const vector dy = masked<Mask>(_mm512_load_ps(gradient + i), a, x, nullptr);
        _mm512_store_ps(result + i,
                        _mm512_fmadd_ps(dy, r.factor, _mm512_fnmadd_ps(r.slope, x, r.constant)));
      }
    });
  }
}

} // namespace

// Two passes over each image while it is in cache, merged by Chan, Golub & LeVeque 1979, eq. 2.1.
void measure(const image_shape& s, const float* input, float* mean, float* variance) {
  const int pixels = s.height * s.width, blocks = s.channels / lanes;
  for (int block = 0; block < blocks; ++block) {
    vector total_mean = _mm512_setzero_ps(), total_squares = _mm512_setzero_ps();
    float count = 0;
    const auto added = static_cast<float>(pixels);
    for (int image = 0; image < s.images; ++image) {
      const float* x = input + (std::int64_t{image} * blocks + block) * pixels * lanes;
      const vector sum = sum_over(pixels, [&](int i) { return _mm512_load_ps(x + i * lanes); });
      const vector image_mean = _mm512_mul_ps(sum, _mm512_set1_ps(1.0F / added));
      const vector squares = sum_over(pixels, [&](int i) {
        const vector d = _mm512_sub_ps(_mm512_load_ps(x + i * lanes), image_mean);
        return _mm512_mul_ps(d, d);
      });
      const vector delta = _mm512_sub_ps(image_mean, total_mean);
      const float together = count + added;
      const vector between =
          _mm512_mul_ps(_mm512_mul_ps(delta, delta), _mm512_set1_ps(count * added / together));
      total_squares = _mm512_add_ps(total_squares, _mm512_add_ps(squares, between));
      total_mean = _mm512_fmadd_ps(delta, _mm512_set1_ps(added / together), total_mean);
      count = together;
    }
    _mm512_storeu_ps(mean + block * lanes, total_mean);
    _mm512_storeu_ps(variance + block * lanes,
                     _mm512_mul_ps(total_squares, _mm512_set1_ps(1.0F / count)));
  }
}

void normalise(const image_shape& s,
               const normalisation& norm,
               const float* input,
               const float* added,
               bool relu,
               float* output) {
  if (added != nullptr && relu)
    normalise_blocks<true, true>(s, norm, input, added, output);
  else if (added != nullptr)
    normalise_blocks<true, false>(s, norm, input, added, output);
  else if (relu)
    normalise_blocks<false, true>(s, norm, input, added, output);
  else
    normalise_blocks<false, false>(s, norm, input, added, output);
}

void sum_gradients(const image_shape& s,
                   const normalisation& norm,
                   const float* input,
                   const output_gradient& g,
                   float* scale_gradient,
                   float* shift_gradient) {
  if (g.mask == relu_mask::none)
    sum_blocks<relu_mask::none>(s, norm, input, g, scale_gradient, shift_gradient);
  else if (g.mask == relu_mask::from_input)
    sum_blocks<relu_mask::from_input>(s, norm, input, g, scale_gradient, shift_gradient);
  else
    sum_blocks<relu_mask::from_output>(s, norm, input, g, scale_gradient, shift_gradient);
}

void norm_input_gradient(const image_shape& s,
                         const normalisation& norm,
                         const float* input,
                         const float* gradient,
                         relu_mask mask,
                         const float* scale_gradient,
                         const float* shift_gradient,
                         float* input_gradient) {
  if (mask == relu_mask::from_input)
    input_gradient_blocks<relu_mask::from_input>(
        s, norm, input, gradient, scale_gradient, shift_gradient, input_gradient);
  else
    input_gradient_blocks<relu_mask::none>(
        s, norm, input, gradient, scale_gradient, shift_gradient, input_gradient);
}

} // namespace troupe::kernels::avx512
