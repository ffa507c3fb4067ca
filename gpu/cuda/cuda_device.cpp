#include "gpu/cuda/cuda_device.hpp"

#include "gpu/cuda/devices.hpp"
#include "gpu/cuda/kernels.hpp"
#include "gpu/cuda/layers.hpp"
#include "gpu/cuda/session.hpp"
#include "ops/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

namespace troupe::gpu {

namespace {

using cuda::session;
namespace launch = cuda::launch;

cublasOperation_t operation(bool transposed) {
  return transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
}

// Floats from row to row of a row-major matrix, as it lies in memory.
std::int64_t row_floats(bool transposed, std::int64_t rows, std::int64_t columns) {
  return std::max<std::int64_t>(transposed ? rows : columns, 1);
}

// cuBLAS sees our rows as columns, and so all matrices transposed: c' = b' a'.
void product(
    cublasHandle_t handle, const matrix_shape& s, const float* a, const float* b, float* c) {
  const float one = 1.0F, zero = 0.0F;
  cuda::check(cublasSgemm_64(handle,
                             operation(s.transpose_b),
                             operation(s.transpose_a),
                             s.n,
                             s.m,
                             s.k,
                             &one,
                             b,
                             row_floats(s.transpose_b, s.k, s.n),
                             a,
                             row_floats(s.transpose_a, s.m, s.k),
                             &zero,
                             c,
                             s.n),
              "cublasSgemm_64");
}

class cuda_device final : public device {
public:
  explicit cuda_device(std::shared_ptr<session> on) : session_(std::move(on)) {}

  [[nodiscard]] std::string name() const override { return session_->name(); }

  std::shared_ptr<std::byte> allocate(std::size_t bytes) override {
    return session_->allocate(bytes);
  }

  void upload(float* to, const float* from, std::int64_t floats) override {
    session_->upload(to, from, floats);
  }

  void download(float* to, const float* from, std::int64_t floats) override {
    session_->download(to, from, floats);
  }

  std::unique_ptr<convolution> make_convolution(const convolution_options& o) override {
    return cuda::make_convolution(session_, o);
  }

  std::unique_ptr<pooling> make_pooling(const pooling_options& o) override {
    return cuda::make_pooling(session_, o);
  }

  std::unique_ptr<normalisation> make_normalisation(const image_shape& x, float epsilon) override {
    return cuda::make_normalisation(session_, x, epsilon);
  }

  void matrix_product(const matrix_shape& s, const float* a, const float* b, float* c) override {
    if (s.m == 0 || s.n == 0) return;
    if (s.k == 0)
      clear(c, s.m * s.n);
    else
      product(session_->enter_cublas(), s, a, b, c);
  }

  void add_bias(const image_shape& s, const float* bias, float* y) override {
    launch::add_bias(session_->enter(), s, bias, y);
  }

  void bias_gradient(const image_shape& s, const float* y_gradient, float* bias_gradient) override {
    launch::bias_gradient(session_->enter(), s, y_gradient, bias_gradient);
  }

  void activate(const activation& a, const float* x, float* y, std::int64_t count) override {
    launch::activate(session_->enter(), a, x, y, count);
  }

  void activation_gradient(const activation& a,
                           const float* y,
                           const float* y_gradient,
                           float* x_gradient,
                           std::int64_t count) override {
    launch::activation_gradient(session_->enter(), a, y, y_gradient, x_gradient, count);
  }

  void add(const float* a, const float* b, float* sum, std::int64_t count) override {
    launch::add(session_->enter(), a, b, sum, count);
  }

  void
  draw_mask(const random_key& key, float probability, float* mask, std::int64_t count) override {
    launch::draw_mask(session_->enter(), key, probability, mask, count);
  }

  void multiply(const float* a, const float* b, float* product, std::int64_t count) override {
    launch::multiply(session_->enter(), a, b, product, count);
  }

  void copy_rows(float* to,
                 std::int64_t to_stride,
                 const float* from,
                 std::int64_t from_stride,
                 std::int64_t width,
                 std::int64_t rows) override {
    launch::copy_rows(session_->enter(), to, to_stride, from, from_stride, width, rows);
  }

  void
  evaluate_loss(const loss& l, const loss_rows& rows, row_loss* each, float* gradient) override {
    launch::evaluate_loss(session_->enter(), l, rows, each, gradient);
  }

  void update(const optimizer& o,
              float learning_rate,
              std::int64_t step,
              const update_range& range) override {
    launch::update(session_->enter(), o, learning_rate, step, range);
  }

  void encode_halves(half_format format,
                     const float* values,
                     float* halves,
                     std::int64_t count) override {
    launch::encode_halves(session_->enter(), format, values, halves, count);
  }

  void decode_halves(half_format format,
                     const float* halves,
                     float* values,
                     std::int64_t count) override {
    launch::decode_halves(session_->enter(), format, halves, values, count);
  }

private:
  void clear(float* values, std::int64_t count) {
    const auto bytes = static_cast<std::size_t>(count) * sizeof(float);
    cuda::check(cudaMemsetAsync(values, 0, bytes, session_->enter()), "cudaMemsetAsync");
  }

  std::shared_ptr<session> session_;
};

void check_index(int index) {
  int count = 0;
  cuda::check(cudaGetDeviceCount(&count), "cudaGetDeviceCount");
  if (index < 0 || index >= count)
    throw error({.what = fmt::format("there is no GPU {}", index),
                 .where = "CUDA",
                 .why = fmt::format("CUDA counts {}, from 0 to {}", count, count - 1),
                 .help = "use GPU 0",
                 .kind = error_kind::request});
}

} // namespace

std::unique_ptr<device> open_cuda_device(int index) {
  if (const std::string why = cuda::why_no_device(); !why.empty())
    throw error({.what = fmt::format("GPU {} cannot be used", index),
                 .where = "CUDA",
                 .why = why,
                 .help = "see whether nvidia-smi lists a GPU, or use the CPU",
                 .kind = error_kind::environment});
  check_index(index);
  auto opened = std::make_shared<session>(index);
  static_cast<void>(opened->enter());
  launch::check_built_for_device();
  return std::make_unique<cuda_device>(std::move(opened));
}

} // namespace troupe::gpu
