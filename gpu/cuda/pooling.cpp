// Pooling by cuDNN, but for the gradient of the maximum: which of equal maxima cuDNN gives it to is
// not documented, so that a kernel of ours does.
#include "gpu/cuda/descriptors.hpp"
#include "gpu/cuda/kernels.hpp"
#include "gpu/cuda/layers.hpp"

#include <utility>

namespace troupe::gpu::cuda {

namespace {

constexpr float one = 1.0F, zero = 0.0F;

pooling_descriptor describe_pooling(const pooling_options& o) {
  auto out = made<pooling_descriptor>("cudnnCreatePoolingDescriptor", cudnnCreatePoolingDescriptor);
  const cudnnPoolingMode_t mode = o.method == pooling_method::maximum
                                      ? CUDNN_POOLING_MAX_DETERMINISTIC
                                      : CUDNN_POOLING_AVERAGE_COUNT_INCLUDE_PADDING;
  check(cudnnSetPooling2dDescriptor(out.get(),
                                    mode,
                                    CUDNN_PROPAGATE_NAN,
                                    cudnn_int(o.kernel_height),
                                    cudnn_int(o.kernel_width),
                                    cudnn_int(o.padding),
                                    cudnn_int(o.padding),
                                    cudnn_int(o.stride_height),
                                    cudnn_int(o.stride_width)),
        "cudnnSetPooling2dDescriptor");
  return out;
}

class cudnn_pooling final : public pooling {
public:
  cudnn_pooling(std::shared_ptr<session> on, const pooling_options& o)
      : session_(std::move(on)),
        options_(o),
        input_(describe(o.input)),
        output_(describe(o.output)),
        pooling_(describe_pooling(o)) {}

  void forward(const float* x, float* y) override {
    check(cudnnPoolingForward(session_->enter_cudnn(),
                              pooling_.get(),
                              &one,
                              input_.get(),
                              x,
                              &zero,
                              output_.get(),
                              y),
          "cudnnPoolingForward");
  }

  void input_gradient(const float* x,
                      const float* y,
                      const float* y_gradient,
                      float* x_gradient) override {
    if (options_.method == pooling_method::maximum)
      launch::max_pool_gradient(session_->enter(), options_, x, y, y_gradient, x_gradient);
    else
      average_gradient(x, y, y_gradient, x_gradient);
  }

private:
  void
  average_gradient(const float* x, const float* y, const float* y_gradient, float* x_gradient) {
    check(cudnnPoolingBackward(session_->enter_cudnn(),
                               pooling_.get(),
                               &one,
                               output_.get(),
                               y,
                               output_.get(),
                               y_gradient,
                               input_.get(),
                               x,
                               &zero,
                               input_.get(),
                               x_gradient),
          "cudnnPoolingBackward");
  }

  std::shared_ptr<session> session_;
  pooling_options options_;
  tensor_descriptor input_, output_;
  pooling_descriptor pooling_;
};

} // namespace

std::unique_ptr<pooling> make_pooling(std::shared_ptr<session> on, const pooling_options& o) {
  return std::make_unique<cudnn_pooling>(std::move(on), o);
}

} // namespace troupe::gpu::cuda
