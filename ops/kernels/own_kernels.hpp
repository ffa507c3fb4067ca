// Our own kernels beside oneDNN's, and when they apply. A kernel that does not apply says why; then
// oneDNN's runs. Own kernels are compiled for AVX-512 (ops/kernels/avx512/), this file is not.
#pragma once

#include "ops/kernels/builder.hpp"
#include "ops/kernels/unit.hpp"
#include "ops/model.hpp"

#include <string>

namespace troupe::kernels {

bool own_kernels_supported();

// Why the kernel does not apply; empty where it does.
std::string winograd_refusal(const conv2d& options, const shape& input);
std::string fused_pool_refusal(const max_pool2d& options, const shape& input);
std::string own_batch_norm_refusal(const shape& input);

void build_winograd(builder& b, const unit& u);       // conv2d
void build_fused_pool(builder& b, const unit& u);     // [batch_norm,] relu, max_pool2d(2)
void build_own_batch_norm(builder& b, const unit& u); // batch_norm[, add][, relu]

} // namespace troupe::kernels
