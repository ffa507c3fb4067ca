// Batch normalisation by cuDNN, in its spatial mode: the persistent one is faster and may overflow.
#include "gpu/cuda/descriptors.hpp"
#include "gpu/cuda/layers.hpp"
#include "ops/error.hpp"

#include <fmt/format.h>

#include <utility>

namespace troupe::gpu::cuda {

namespace {

constexpr float one = 1.0F, zero = 0.0F;
constexpr cudnnBatchNormMode_t mode = CUDNN_BATCHNORM_SPATIAL;

double checked_epsilon(float epsilon) {
  if (!(epsilon >= CUDNN_BN_MIN_EPSILON))
    throw error({.what = fmt::format("batch norm cannot use epsilon {} on a GPU", epsilon),
                 .where = "batch norm",
                 .why = fmt::format("cuDNN takes {} or more", CUDNN_BN_MIN_EPSILON),
                 .help = "use the usual 1e-5"});
  return epsilon;
}

tensor_descriptor describe_channels(const tensor_descriptor& x) {
  auto out = made<tensor_descriptor>("cudnnCreateTensorDescriptor", cudnnCreateTensorDescriptor);
  check(cudnnDeriveBNTensorDescriptor(out.get(), x.get(), mode), "cudnnDeriveBNTensorDescriptor");
  return out;
}

class cudnn_normalisation final : public normalisation {
public:
  cudnn_normalisation(std::shared_ptr<session> on, const image_shape& x, float epsilon)
      : session_(std::move(on)),
        shape_(x),
        epsilon_(checked_epsilon(epsilon)),
        values_(describe(x)),
        channels_(describe_channels(values_)) {}

  void forward(const float* x,
               const float* scale,
               const float* shift,
               float* y,
               float* mean,
               float* variance,
               float* saved) override;
  void evaluate(const float* x,
                const float* scale,
                const float* shift,
                const float* mean,
                const float* variance,
                float* y) override;
  void gradients(const float* x,
                 const float* y_gradient,
                 const float* scale,
                 const float* saved,
                 float* x_gradient,
                 float* scale_gradient,
                 float* shift_gradient) override;

private:
  void clear_channels(float* values);
  device_memory copied(const float* values);

  std::shared_ptr<session> session_;
  image_shape shape_;
  double epsilon_;
  tensor_descriptor values_, channels_;
};

// cuDNN adds zero times what is there: no matter but for NaN and infinities.
void cudnn_normalisation::clear_channels(float* values) {
  const auto bytes = static_cast<std::size_t>(shape_.channels) * sizeof(float);
  check(cudaMemsetAsync(values, 0, bytes, session_->enter()), "cudaMemsetAsync");
}

void cudnn_normalisation::forward(const float* x,
                                  const float* scale,
                                  const float* shift,
                                  float* y,
                                  float* mean,
                                  float* variance,
                                  float* saved) {
  clear_channels(mean);
  clear_channels(variance);
  check(cudnnBatchNormalizationForwardTraining(session_->enter_cudnn(),
                                               mode,
                                               &one,
                                               &zero,
                                               values_.get(),
                                               x,
                                               values_.get(),
                                               y,
                                               channels_.get(),
                                               scale,
                                               shift,
                                               1.0, // the running results are those of x alone
                                               mean,
                                               variance,
                                               epsilon_,
                                               saved,
                                               saved + shape_.channels),
        "cudnnBatchNormalizationForwardTraining");
}

void cudnn_normalisation::evaluate(const float* x,
                                   const float* scale,
                                   const float* shift,
                                   const float* mean,
                                   const float* variance,
                                   float* y) {
  check(cudnnBatchNormalizationForwardInference(session_->enter_cudnn(),
                                                mode,
                                                &one,
                                                &zero,
                                                values_.get(),
                                                x,
                                                values_.get(),
                                                y,
                                                channels_.get(),
                                                scale,
                                                shift,
                                                mean,
                                                variance,
                                                epsilon_),
        "cudnnBatchNormalizationForwardInference");
}

device_memory cudnn_normalisation::copied(const float* values) {
  const auto bytes = static_cast<std::size_t>(shape_.elements()) * sizeof(float);
  device_memory out = session_->temporary(bytes);
  check(cudaMemcpyAsync(out.get(), values, bytes, cudaMemcpyDeviceToDevice, session_->enter()),
        "cudaMemcpyAsync");
  return out;
}

// cuDNN promises nothing for gradients that lie in one place, so that it gets a copy then.
void cudnn_normalisation::gradients(const float* x,
                                    const float* y_gradient,
                                    const float* scale,
                                    const float* saved,
                                    float* x_gradient,
                                    float* scale_gradient,
                                    float* shift_gradient) {
  device_memory copy;
  if (x_gradient == y_gradient) copy = copied(y_gradient);
  check(cudnnBatchNormalizationBackward(session_->enter_cudnn(),
                                        mode,
                                        &one,
                                        &zero,
                                        &one,
                                        &zero,
                                        values_.get(),
                                        x,
                                        values_.get(),
                                        copy ? static_cast<const void*>(copy.get()) : y_gradient,
                                        values_.get(),
                                        x_gradient,
                                        channels_.get(),
                                        scale,
                                        scale_gradient,
                                        shift_gradient,
                                        epsilon_,
                                        saved,
                                        saved + shape_.channels),
        "cudnnBatchNormalizationBackward");
}

} // namespace

std::unique_ptr<normalisation>
make_normalisation(std::shared_ptr<session> on, const image_shape& x, float epsilon) {
  return std::make_unique<cudnn_normalisation>(std::move(on), x, epsilon);
}

} // namespace troupe::gpu::cuda
