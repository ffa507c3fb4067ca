// What a GPU does for a program: memory, and the kernels of one stream. `cuda/` plays it with
// cuDNN, cuBLAS and kernels of our own; tests/gpu/host_device.hpp with loops, for machines that
// have no GPU.
//
// All values are float32 and row-major in the device's memory: images [n, channels, height, width],
// weights as PyTorch has them. Kernels run in the order in which they are called; only download()
// waits. The same arguments give the same bits on devices of one type. One thread at a time.
// Throws error.
#pragma once

#include "ops/kernels/memory_space.hpp"
#include "ops/loss.hpp"
#include "ops/optimizer.hpp"
#include "ops/random.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace troupe::gpu {

struct image_shape {
  std::int64_t n = 0, channels = 0, height = 0, width = 0;

  [[nodiscard]] std::int64_t elements() const { return n * channels * height * width; }
};

struct convolution_options {
  image_shape input, output;
  int kernel = 1, stride = 1, padding = 0, groups = 1;
};

// What a layer needs is chosen once, when it is compiled.
class convolution {
public:
  virtual ~convolution() = default;

  [[nodiscard]] virtual std::size_t scratch_bytes() const = 0; // of each call
  virtual void forward(const float* x, const float* weight, float* y, void* scratch) = 0;
  virtual void weight_gradient(const float* x,
                               const float* y_gradient,
                               float* weight_gradient,
                               void* scratch) = 0;
  virtual void input_gradient(const float* y_gradient,
                              const float* weight,
                              float* x_gradient,
                              void* scratch) = 0;
};

enum class pooling_method { maximum, average }; // the average counts padding as zeros

struct pooling_options {
  pooling_method method = pooling_method::maximum;
  image_shape input, output;
  std::int64_t kernel_height = 1, kernel_width = 1, stride_height = 1, stride_width = 1,
               padding = 0;
};

class pooling {
public:
  virtual ~pooling() = default;
  virtual void forward(const float* x, float* y) = 0;
  // Of equal maxima the first in a window gets the gradient.
  virtual void
  input_gradient(const float* x, const float* y, const float* y_gradient, float* x_gradient) = 0;
};

// Per channel, over the microbatch.
class normalisation {
public:
  virtual ~normalisation() = default;
  // `mean` and `variance` (unbiased) are those of x; `saved` (2 floats a channel) is for the
  // gradients.
  virtual void forward(const float* x,
                       const float* scale,
                       const float* shift,
                       float* y,
                       float* mean,
                       float* variance,
                       float* saved) = 0;
  virtual void evaluate(const float* x,
                        const float* scale,
                        const float* shift,
                        const float* mean,
                        const float* variance,
                        float* y) = 0;
  // x_gradient may be y_gradient.
  virtual void gradients(const float* x,
                         const float* y_gradient,
                         const float* scale,
                         const float* saved,
                         float* x_gradient,
                         float* scale_gradient,
                         float* shift_gradient) = 0;
};

enum class activation_kind { relu, leaky_relu, sigmoid, tanh };

struct activation {
  activation_kind kind = activation_kind::relu;
  float slope = 0.0F; // of leaky_relu, below zero
};

// c[m, n] = a[m, k] b[k, n]; a transposed matrix is given as [k, m] or [n, k].
struct matrix_shape {
  std::int64_t m = 0, n = 0, k = 0;
  bool transpose_a = false, transpose_b = false;
};

// What a loss is evaluated on; the class weights of `loss` itself are the host's.
struct loss_rows {
  std::int64_t n = 0, outputs = 0;
  const float* logits = nullptr;        // [n, outputs]
  const float* targets = nullptr;       // [n] or [n, outputs], as the loss has them
  const float* class_weights = nullptr; // [outputs] where the loss has any
  double normaliser = 1;
};

// What a row adds to a loss_value.
struct row_loss {
  double sum, correct;
};

// What an update reads and writes: ranges of `count` floats.
struct update_range {
  const float* parameters = nullptr;
  const float* gradient = nullptr;
  float* new_parameters = nullptr; // not `parameters`
  float* state[2] = {};            // as many as slots() says
  std::int64_t count = 0;
};

enum class half_format { fp16, bf16 }; // ops/half_floats.hpp

class device : public kernels::memory_space {
public:
  [[nodiscard]] bool holds_tensors() const final { return false; }

  [[nodiscard]] virtual std::string name() const = 0;

  virtual std::unique_ptr<convolution> make_convolution(const convolution_options& o) = 0;
  virtual std::unique_ptr<pooling> make_pooling(const pooling_options& o) = 0;
  virtual std::unique_ptr<normalisation> make_normalisation(const image_shape& x,
                                                            float epsilon) = 0;

  virtual void matrix_product(const matrix_shape& s, const float* a, const float* b, float* c) = 0;

  // To each channel of y, or of [n, outputs] where height and width are 1.
  virtual void add_bias(const image_shape& s, const float* bias, float* y) = 0;
  virtual void
  bias_gradient(const image_shape& s, const float* y_gradient, float* bias_gradient) = 0;

  // Element by element; results may lie where an argument does.
  virtual void activate(const activation& a, const float* x, float* y, std::int64_t count) = 0;
  virtual void activation_gradient(const activation& a,
                                   const float* y,
                                   const float* y_gradient,
                                   float* x_gradient,
                                   std::int64_t count) = 0;
  // The sum of reduction_tree.hpp, with its bits.
  virtual void add(const float* a, const float* b, float* sum, std::int64_t count) = 0;
  // mask[i] is 1 / (1 - probability) where value i is kept, else 0: the draws of the CPU.
  virtual void
  draw_mask(const random_key& key, float probability, float* mask, std::int64_t count) = 0;
  virtual void multiply(const float* a, const float* b, float* product, std::int64_t count) = 0;

  // Rows of `width` floats; a row begins each `to_stride` and `from_stride` floats.
  virtual void copy_rows(float* to,
                         std::int64_t to_stride,
                         const float* from,
                         std::int64_t from_stride,
                         std::int64_t width,
                         std::int64_t rows) = 0;

  // troupe::evaluate_loss, a row_loss for each of the n rows. gradient: [n, outputs], or null where
  // it is not wanted.
  virtual void
  evaluate_loss(const loss& l, const loss_rows& rows, row_loss* each, float* gradient) = 0;

  // troupe::update, with its bits (a NaN is a NaN).
  virtual void
  update(const optimizer& o, float learning_rate, std::int64_t step, const update_range& range) = 0;

  // The body of the payloads of the codecs fp16 and bf16: `halves` is (count + 1) / 2 words.
  virtual void
  encode_halves(half_format format, const float* values, float* halves, std::int64_t count) = 0;
  virtual void
  decode_halves(half_format format, const float* halves, float* values, std::int64_t count) = 0;
};

} // namespace troupe::gpu
