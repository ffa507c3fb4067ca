// The layers that cuDNN computes. What they do: gpu/device.hpp. They keep the session alive.
#pragma once

#include "gpu/cuda/session.hpp"
#include "gpu/device.hpp"

#include <memory>

namespace troupe::gpu::cuda {

std::unique_ptr<convolution> make_convolution(std::shared_ptr<session> on,
                                              const convolution_options& o);

std::unique_ptr<pooling> make_pooling(std::shared_ptr<session> on, const pooling_options& o);

std::unique_ptr<normalisation>
make_normalisation(std::shared_ptr<session> on, const image_shape& x, float epsilon);

} // namespace troupe::gpu::cuda
