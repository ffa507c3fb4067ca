// Our own kernels, launched on a stream of the current device. What they do: gpu/device.hpp. Their
// grids and the order of their sums follow from the arguments alone. Throws error.
#pragma once

#include "gpu/device.hpp"

#include <cuda_runtime_api.h>

#include <cstdint>

namespace troupe::gpu::cuda::launch {

// Fails where this program was not built for the current device.
void check_built_for_device();

void add_bias(cudaStream_t on, const image_shape& s, const float* bias, float* y);
void bias_gradient(cudaStream_t on,
                   const image_shape& s,
                   const float* y_gradient,
                   float* bias_gradient);

void activate(cudaStream_t on, const activation& a, const float* x, float* y, std::int64_t count);
void activation_gradient(cudaStream_t on,
                         const activation& a,
                         const float* y,
                         const float* y_gradient,
                         float* x_gradient,
                         std::int64_t count);

void add(cudaStream_t on, const float* a, const float* b, float* sum, std::int64_t count);
void multiply(cudaStream_t on, const float* a, const float* b, float* product, std::int64_t count);

void draw_mask(
    cudaStream_t on, const random_key& key, float probability, float* mask, std::int64_t count);

void copy_rows(cudaStream_t on,
               float* to,
               std::int64_t to_stride,
               const float* from,
               std::int64_t from_stride,
               std::int64_t width,
               std::int64_t rows);

void update(cudaStream_t on,
            const optimizer& o,
            float learning_rate,
            std::int64_t step,
            const update_range& range);

void encode_halves(
    cudaStream_t on, half_format format, const float* values, float* halves, std::int64_t count);
void decode_halves(
    cudaStream_t on, half_format format, const float* halves, float* values, std::int64_t count);

// REQUIRES: less than 2^31 rows.
void evaluate_loss(
    cudaStream_t on, const loss& l, const loss_rows& rows, row_loss* each, float* gradient);

// REQUIRES: the input has less than 2^31 values.
void max_pool_gradient(cudaStream_t on,
                       const pooling_options& o,
                       const float* x,
                       const float* y,
                       const float* y_gradient,
                       float* x_gradient);

} // namespace troupe::gpu::cuda::launch
