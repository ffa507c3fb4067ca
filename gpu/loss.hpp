// The loss where a program's outputs lie: targets go there, two numbers for each row come back.
#pragma once

#include "gpu/device.hpp"
#include "ops/kernels/compile.hpp"

#include <memory>

namespace troupe::gpu {

// For outputs [n, ...].
kernels::loss_function make_loss(const std::shared_ptr<device>& on, const shape& output);

} // namespace troupe::gpu
