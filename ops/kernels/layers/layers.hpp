// One builder per layer: forward operations now, a closure for the backward ones.
#pragma once

#include "ops/kernels/builder.hpp"
#include "ops/kernels/unit.hpp"
#include "ops/random.hpp"

namespace troupe::kernels {

void build_conv2d(builder& b, const unit& u);
void build_dense(builder& b, const unit& u);
void build_pool(builder& b, const unit& u); // maximum, average, global average
void build_batch_norm(builder& b, const unit& u);
void build_activation(builder& b, const unit& u); // relu, leaky_relu, sigmoid, tanh
void build_add(builder& b, const unit& u);
void build_concat(builder& b, const unit& u);
void build_dropout(builder& b, const unit& u);
void build_flatten(builder& b, const unit& u);

// The gradient before a fused relu whose output is `output`: in place where the gradient is owned.
gradient relu_gradient(builder& b, int index, const view& output, const gradient& g);

// What a batch norm measured, written where its statistics lie in the gradient block: the mean, and
// the unbiased variance n / (n - 1) * `variance` that torch's running variance follows.
void add_measured_statistics(builder& b, int index, const view& mean, const view& variance);

// Throws error: a batch norm that is trained on one value per channel has no variance.
void check_values_per_channel(const builder& b, int index);

// Of what a dropout layer draws for a microbatch; `draw_key` as in node.
random_key dropout_key(const microbatch_key& key, int draw_key);

} // namespace troupe::kernels
