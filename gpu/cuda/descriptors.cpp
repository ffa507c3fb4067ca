#include "gpu/cuda/descriptors.hpp"

#include "ops/error.hpp"

#include <fmt/format.h>

#include <limits>
#include <string>
#include <utility>

namespace troupe::gpu::cuda {

namespace {

constexpr int values_max = std::numeric_limits<int>::max();

std::string text(const image_shape& s) {
  return fmt::format("[{}, {}, {}, {}]", s.n, s.channels, s.height, s.width);
}

} // namespace

int cudnn_int(std::int64_t value) {
  if (!std::in_range<int>(value))
    throw error({.what = "a layer is too large for cuDNN",
                 .where = "cuDNN",
                 .why = fmt::format("{} is above {}", value, values_max),
                 .help = "use smaller microbatches"});
  return static_cast<int>(value);
}

tensor_descriptor describe(const image_shape& s) {
  if (s.elements() > values_max)
    throw error({.what = fmt::format("values of shape {} are too many for cuDNN", text(s)),
                 .where = "cuDNN",
                 .why = fmt::format("{} values, {} are allowed", s.elements(), values_max),
                 .help = "use smaller microbatches"});
  auto out = made<tensor_descriptor>("cudnnCreateTensorDescriptor", cudnnCreateTensorDescriptor);
  check(cudnnSetTensor4dDescriptor(out.get(),
                                   CUDNN_TENSOR_NCHW,
                                   CUDNN_DATA_FLOAT,
                                   cudnn_int(s.n),
                                   cudnn_int(s.channels),
                                   cudnn_int(s.height),
                                   cudnn_int(s.width)),
        "cudnnSetTensor4dDescriptor");
  return out;
}

} // namespace troupe::gpu::cuda
