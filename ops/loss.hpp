// Losses. Each sums over a microbatch and divides by `normaliser`, a number of the whole batch
// (its size, or the sum of the class weights of its labels), so that the gradients of the
// microbatches add up to that of the batch, as PyTorch's reduction="mean" has it.
#pragma once

#include <cstdint>
#include <span>
#include <variant>
#include <vector>

namespace troupe {

struct softmax_cross_entropy {      // targets: class indices stored as floats, [n]
  std::vector<float> class_weights; // empty: all 1; else one per class
  float label_smoothing = 0.0F;     // [0, 1)
};

struct mean_squared_error {}; // targets: [n, outputs]; mean over n and outputs

struct binary_cross_entropy_logits {}; // targets in [0, 1]: [n, outputs]; mean over n and outputs

using loss = std::variant<softmax_cross_entropy, mean_squared_error, binary_cross_entropy_logits>;

struct loss_value {
  double sum = 0;           // weighted, before division by the normaliser
  std::int64_t correct = 0; // argmax == target; 0 where there is no class
};

// logits: [n, outputs] row-major; gradient: the same shape, written; pass {} to get the value
// alone.
loss_value evaluate_loss(const loss& l,
                         std::span<const float> logits,
                         std::span<const float> targets,
                         std::int64_t n,
                         double normaliser,
                         std::span<float> gradient);

double sum_of_class_weights(const softmax_cross_entropy& l, std::int64_t classes);

// What one sample adds to the normaliser of its batch. `target`: its class index (softmax), unused
// else.
double normaliser_of(const loss& l, float target, std::int64_t outputs);

} // namespace troupe
