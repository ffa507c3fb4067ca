// Convolutions by cuDNN in true float32. Of the algorithms that its heuristics rank, the first is
// taken that gives the same bits each time and asks for a bounded scratch: a choice that follows
// from the shapes, the type of device and the version of cuDNN, never from what else runs.
#include "gpu/cuda/descriptors.hpp"
#include "gpu/cuda/layers.hpp"
#include "ops/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace troupe::gpu::cuda {

namespace {

constexpr std::size_t scratch_bytes_max = std::size_t{256} << 20;
constexpr float one = 1.0F, zero = 0.0F;

struct descriptors {
  explicit descriptors(const convolution_options& o);

  tensor_descriptor input, output;
  filter_descriptor weight;
  convolution_descriptor convolution;
};

filter_descriptor describe_weight(const convolution_options& o) {
  auto out = made<filter_descriptor>("cudnnCreateFilterDescriptor", cudnnCreateFilterDescriptor);
  check(cudnnSetFilter4dDescriptor(out.get(),
                                   CUDNN_DATA_FLOAT,
                                   CUDNN_TENSOR_NCHW,
                                   cudnn_int(o.output.channels),
                                   cudnn_int(o.input.channels / o.groups),
                                   o.kernel,
                                   o.kernel),
        "cudnnSetFilter4dDescriptor");
  return out;
}

convolution_descriptor describe_convolution(const convolution_options& o) {
  auto out = made<convolution_descriptor>("cudnnCreateConvolutionDescriptor",
                                          cudnnCreateConvolutionDescriptor);
  check(cudnnSetConvolution2dDescriptor(out.get(),
                                        o.padding,
                                        o.padding,
                                        o.stride,
                                        o.stride,
                                        1,
                                        1,
                                        CUDNN_CROSS_CORRELATION,
                                        CUDNN_DATA_FLOAT),
        "cudnnSetConvolution2dDescriptor");
  check(cudnnSetConvolutionGroupCount(out.get(), o.groups), "cudnnSetConvolutionGroupCount");
  check(cudnnSetConvolutionMathType(out.get(), CUDNN_FMA_MATH), "cudnnSetConvolutionMathType");
  return out;
}

descriptors::descriptors(const convolution_options& o)
    : input(describe(o.input)),
      output(describe(o.output)),
      weight(describe_weight(o)),
      convolution(describe_convolution(o)) {}

template <class Algorithm>
struct choice {
  Algorithm algorithm{};
  std::size_t scratch_bytes = 0;
};

// The reduced precisions of tensor cores; the descriptor forbids them too.
bool uses_tensor_cores(cudnnMathType_t math) {
  return math == CUDNN_TENSOR_OP_MATH || math == CUDNN_TENSOR_OP_MATH_ALLOW_CONVERSION;
}

// `count` and `rank` ask cuDNN for its ranking, `scratch_of` for what an algorithm needs.
template <class Ranked, class Count, class Rank, class ScratchOf>
auto choose(const char* what, const Count& count, const Rank& rank, const ScratchOf& scratch_of) {
  int asked = 0, given = 0;
  check(count(&asked), what);
  std::vector<Ranked> ranked(static_cast<std::size_t>(asked));
  check(rank(asked, &given, ranked.data()), what);
  ranked.resize(static_cast<std::size_t>(given));
  for (const Ranked& r : ranked) {
    if (r.status != CUDNN_STATUS_SUCCESS || r.determinism != CUDNN_DETERMINISTIC) continue;
    std::size_t bytes = 0;
    if (uses_tensor_cores(r.mathType) || scratch_of(r.algo, &bytes) != CUDNN_STATUS_SUCCESS)
      continue;
    if (bytes <= scratch_bytes_max) return choice<decltype(r.algo)>{r.algo, bytes};
  }
  throw error({.what = "cuDNN has no deterministic float32 kernel for a convolution",
               .where = what,
               .why = fmt::format("{} kernels, none with at most {} MiB of scratch",
                                  given,
                                  scratch_bytes_max >> 20),
               .help = "use smaller microbatches, or train on the CPU"});
}

auto choose_forward(cudnnHandle_t handle, const descriptors& d) {
  return choose<cudnnConvolutionFwdAlgoPerf_t>(
      "cudnnGetConvolutionForwardAlgorithm_v7",
      [&](int* count) { return cudnnGetConvolutionForwardAlgorithmMaxCount(handle, count); },
      [&](int asked, int* given, cudnnConvolutionFwdAlgoPerf_t* ranked) {
        return cudnnGetConvolutionForwardAlgorithm_v7(handle,
                                                      d.input.get(),
                                                      d.weight.get(),
                                                      d.convolution.get(),
                                                      d.output.get(),
                                                      asked,
                                                      given,
                                                      ranked);
      },
      [&](cudnnConvolutionFwdAlgo_t algorithm, std::size_t* bytes) {
        return cudnnGetConvolutionForwardWorkspaceSize(handle,
                                                       d.input.get(),
                                                       d.weight.get(),
                                                       d.convolution.get(),
                                                       d.output.get(),
                                                       algorithm,
                                                       bytes);
      });
}

auto choose_weight_gradient(cudnnHandle_t handle, const descriptors& d) {
  return choose<cudnnConvolutionBwdFilterAlgoPerf_t>(
      "cudnnGetConvolutionBackwardFilterAlgorithm_v7",
      [&](int* count) { return cudnnGetConvolutionBackwardFilterAlgorithmMaxCount(handle, count); },
      [&](int asked, int* given, cudnnConvolutionBwdFilterAlgoPerf_t* ranked) {
        return cudnnGetConvolutionBackwardFilterAlgorithm_v7(handle,
                                                             d.input.get(),
                                                             d.output.get(),
                                                             d.convolution.get(),
                                                             d.weight.get(),
                                                             asked,
                                                             given,
                                                             ranked);
      },
      [&](cudnnConvolutionBwdFilterAlgo_t algorithm, std::size_t* bytes) {
        return cudnnGetConvolutionBackwardFilterWorkspaceSize(handle,
                                                              d.input.get(),
                                                              d.output.get(),
                                                              d.convolution.get(),
                                                              d.weight.get(),
                                                              algorithm,
                                                              bytes);
      });
}

auto choose_input_gradient(cudnnHandle_t handle, const descriptors& d) {
  return choose<cudnnConvolutionBwdDataAlgoPerf_t>(
      "cudnnGetConvolutionBackwardDataAlgorithm_v7",
      [&](int* count) { return cudnnGetConvolutionBackwardDataAlgorithmMaxCount(handle, count); },
      [&](int asked, int* given, cudnnConvolutionBwdDataAlgoPerf_t* ranked) {
        return cudnnGetConvolutionBackwardDataAlgorithm_v7(handle,
                                                           d.weight.get(),
                                                           d.output.get(),
                                                           d.convolution.get(),
                                                           d.input.get(),
                                                           asked,
                                                           given,
                                                           ranked);
      },
      [&](cudnnConvolutionBwdDataAlgo_t algorithm, std::size_t* bytes) {
        return cudnnGetConvolutionBackwardDataWorkspaceSize(handle,
                                                            d.weight.get(),
                                                            d.output.get(),
                                                            d.convolution.get(),
                                                            d.input.get(),
                                                            algorithm,
                                                            bytes);
      });
}

class cudnn_convolution final : public convolution {
public:
  cudnn_convolution(std::shared_ptr<session> on, const convolution_options& o)
      : session_(std::move(on)),
        descriptors_(o),
        forward_(choose_forward(session_->enter_cudnn(), descriptors_)),
        weight_gradient_(choose_weight_gradient(session_->enter_cudnn(), descriptors_)),
        input_gradient_(choose_input_gradient(session_->enter_cudnn(), descriptors_)) {}

  [[nodiscard]] std::size_t scratch_bytes() const override {
    return std::max(
        {forward_.scratch_bytes, weight_gradient_.scratch_bytes, input_gradient_.scratch_bytes});
  }

  void forward(const float* x, const float* weight, float* y, void* scratch) override;
  void weight_gradient(const float* x,
                       const float* y_gradient,
                       float* weight_gradient,
                       void* scratch) override;
  void input_gradient(const float* y_gradient,
                      const float* weight,
                      float* x_gradient,
                      void* scratch) override;

private:
  std::shared_ptr<session> session_;
  descriptors descriptors_;
  choice<cudnnConvolutionFwdAlgo_t> forward_;
  choice<cudnnConvolutionBwdFilterAlgo_t> weight_gradient_;
  choice<cudnnConvolutionBwdDataAlgo_t> input_gradient_;
};

void cudnn_convolution::forward(const float* x, const float* weight, float* y, void* scratch) {
  check(cudnnConvolutionForward(session_->enter_cudnn(),
                                &one,
                                descriptors_.input.get(),
                                x,
                                descriptors_.weight.get(),
                                weight,
                                descriptors_.convolution.get(),
                                forward_.algorithm,
                                scratch,
                                forward_.scratch_bytes,
                                &zero,
                                descriptors_.output.get(),
                                y),
        "cudnnConvolutionForward");
}

void cudnn_convolution::weight_gradient(const float* x,
                                        const float* y_gradient,
                                        float* weight_gradient,
                                        void* scratch) {
  check(cudnnConvolutionBackwardFilter(session_->enter_cudnn(),
                                       &one,
                                       descriptors_.input.get(),
                                       x,
                                       descriptors_.output.get(),
                                       y_gradient,
                                       descriptors_.convolution.get(),
                                       weight_gradient_.algorithm,
                                       scratch,
                                       weight_gradient_.scratch_bytes,
                                       &zero,
                                       descriptors_.weight.get(),
                                       weight_gradient),
        "cudnnConvolutionBackwardFilter");
}

void cudnn_convolution::input_gradient(const float* y_gradient,
                                       const float* weight,
                                       float* x_gradient,
                                       void* scratch) {
  check(cudnnConvolutionBackwardData(session_->enter_cudnn(),
                                     &one,
                                     descriptors_.weight.get(),
                                     weight,
                                     descriptors_.output.get(),
                                     y_gradient,
                                     descriptors_.convolution.get(),
                                     input_gradient_.algorithm,
                                     scratch,
                                     input_gradient_.scratch_bytes,
                                     &zero,
                                     descriptors_.input.get(),
                                     x_gradient),
        "cudnnConvolutionBackwardData");
}

} // namespace

std::unique_ptr<convolution> make_convolution(std::shared_ptr<session> on,
                                              const convolution_options& o) {
  return std::make_unique<cudnn_convolution>(std::move(on), o);
}

} // namespace troupe::gpu::cuda
