// Convolution by Winograd's minimal filtering (Lavin & Gray, "Fast algorithms for convolutional
// neural networks", CVPR 2016): F(4x4, 3x3) and F(2x2, 5x5), both on 6x6 input tiles with the
// points 0, 1, -1, 2, -2 and infinity. A tile's product costs 36 multiplications per channel pair
// instead of 4*4*9 = 144 or 2*2*25 = 100. Stride 1, padding kernel / 2.
//
// Y = A^T [ sum over channels of (G w G^T) . (B^T x B) ] A. The 36 sums over channels are matrix
// products of [tiles, inputs] by [inputs, outputs]. Tiles are processed in chunks whose transforms
// fit in the second-level cache. The gradient of the input is the same convolution with the weight
// rotated and its channels exchanged; that of the weight is G^T [ sum over tiles of (B^T x B) . (A
// dY A^T) ] G.
//
// Activations are nChw16c: a vector register holds 16 channels of a pixel, so that transforms need
// no shuffles. Weights and their gradients are [inputs][kernel][kernel][outputs].
#pragma once

#include <cstdint>

namespace troupe::kernels::avx512 {

struct winograd {
  int kernel = 3;              // 3 or 5
  int inputs = 0, outputs = 0; // channels, multiples of 16
  int height = 0, width = 0;
  int tile = 4; // outputs per tile and axis: 7 - kernel
  int tile_rows = 0, tile_columns = 0;
  int chunk = 0;                 // tiles
  std::int64_t input_plane = 0;  // floats between the 36 matrices of a chunk's input transform
  std::int64_t output_plane = 0; // and of its output transform
  std::int64_t transformed = 0;  // floats of a transformed weight
  std::int64_t scratch = 0;      // floats
};

winograd plan_winograd(int kernel, int inputs, int outputs, int height, int width);

// What the products need of a weight; once per new parameters. `scratch` as below.
void transform_weight(const winograd& w, const float* weight, float* transformed);
void transform_weight_for_input(const winograd& w,
                                const float* weight,
                                float* transformed,
                                float* scratch);

// All pointers are 64-byte aligned; n images. `bias` may be null.
void winograd_forward(const winograd& w,
                      int n,
                      const float* input,
                      const float* transformed,
                      const float* bias,
                      float* output,
                      float* scratch);
void winograd_input_gradient(const winograd& w,
                             int n,
                             const float* output_gradient,
                             const float* transformed,
                             float* input_gradient,
                             float* scratch);
void winograd_weight_gradient(const winograd& w,
                              int n,
                              const float* input,
                              const float* output_gradient,
                              float* weight_gradient,
                              float* scratch);

// The gradient of a bias: the sum of an nChw16c tensor over all but the channels.
void sum_over_pixels(int n, int channels, int pixels, const float* gradient, float* sum);

} // namespace troupe::kernels::avx512
