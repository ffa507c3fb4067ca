// [Batch norm, then] relu, then 2x2 maximum pooling in one pass over nChw16c activations. Between a
// convolution and the next one nothing is written but the pooled values, one byte per pooled value
// that says which of the four it was (or that relu killed it), and with batch norm the value before
// it. The gradient is written in one pass too. An odd last row or column is ignored, as torch does.
#pragma once

#include "ops/kernels/avx512/batch_norm.hpp"

#include <cstdint>

namespace troupe::kernels::avx512 {

// Shapes are those before pooling.
// `which` and `picked` may be null in evaluation; `picked` also without batch norm.
void pool_forward(const image_shape& s,
                  const normalisation& norm,
                  const float* input,
                  float* output,
                  std::uint8_t* which,
                  float* picked);

// Gradients of the input, and per channel of scale and shift (with batch norm) or of what was added
// to the input before (`shift_gradient` alone; may be null).
void pool_backward(const image_shape& s,
                   const normalisation& norm,
                   const float* input,
                   const float* output_gradient,
                   const std::uint8_t* which,
                   const float* picked,
                   float* input_gradient,
                   float* scale_gradient,
                   float* shift_gradient);

} // namespace troupe::kernels::avx512
