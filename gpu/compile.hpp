// A model compiled for a GPU: the programs of `ops/program.hpp`, whose kernels are a device's.
// Tensors stay where they are: parameters and batches are copied to the device, gradients and what
// crosses to other parts come back.
#pragma once

#include "gpu/device.hpp"
#include "ops/program.hpp"

#include <memory>
#include <vector>

namespace troupe::gpu {

// `options.layout` must be that of a program for a GPU: parameters lie as PyTorch has them. Throws
// error.
std::unique_ptr<program>
compile(const std::shared_ptr<device>& on, const graph& g, const compile_options& options);

// What can be computed apart there (a CPU joins other layers).
std::vector<piece>
pieces_of(const std::shared_ptr<device>& on, const graph& g, const compile_options& options);

} // namespace troupe::gpu
