// Batch norm over nChw16c activations, with what surrounds it in a residual network: the shortcut
// that is added, the relu behind, and in the backward pass the sum of the gradients of two readers.
// These networks are bound by memory here, so the unit of thought is a pass over a tensor:
//   forward   measure: read x; normalise: read x [and shortcut], write y
//   backward  sum_gradients: read x, gradients [and y], [write their masked sum];
//             input_gradient: read x and gradient, write
#pragma once

#include <cstdint>

namespace troupe::kernels::avx512 {

struct image_shape {
  int images = 0, channels = 0, height = 0, width = 0; // channels % 16 == 0
};

struct normalisation { // per channel; all null: no batch norm
  const float* mean = nullptr;
  const float* variance = nullptr; // biased
  const float* scale = nullptr;
  const float* shift = nullptr;
  float epsilon = 0;
};

// Batch mean and biased variance per channel.
void measure(const image_shape& s, const float* input, float* mean, float* variance);

// output = [relu](norm(input) [+ added])
void normalise(const image_shape& s,
               const normalisation& norm,
               const float* input,
               const float* added,
               bool relu,
               float* output);

enum class relu_mask {
  none,
  from_input,  // the normalised input itself went through the relu: its sign is computed again
  from_output, // something was added in between
};

struct output_gradient {
  relu_mask mask = relu_mask::none;
  const float* first = nullptr;
  const float* second = nullptr; // null: one reader
  const float* output = nullptr; // for from_output
  float* sum = nullptr;          // null: not written. The masked sum of both; may be `first`
};

void sum_gradients(const image_shape& s,
                   const normalisation& norm,
                   const float* input,
                   const output_gradient& gradient,
                   float* scale_gradient,
                   float* shift_gradient);

// `gradient` is masked, or is masked here where `mask` is from_input. May be in place.
void norm_input_gradient(const image_shape& s,
                         const normalisation& norm,
                         const float* input,
                         const float* gradient,
                         relu_mask mask,
                         const float* scale_gradient,
                         const float* shift_gradient,
                         float* input_gradient);

} // namespace troupe::kernels::avx512
