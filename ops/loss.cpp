#include "ops/loss.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace troupe {

namespace {

struct batch_view {
  std::span<const float> logits, targets;
  std::int64_t n, outputs;
  double normaliser;
  std::span<float> gradient; // may be empty
};

// With weights w and smoothing e over C classes (torch.nn.functional.cross_entropy):
//   loss_i = (1 - e) w_y (-log p_y) + e / C sum_c w_c (-log p_c)
//   d loss_i / d z_c = p_c S - (1 - e) w_y [c = y] - e / C w_c,  S = (1 - e) w_y + e / C sum_c w_c
loss_value evaluate(const softmax_cross_entropy& l, const batch_view& b) {
  loss_value out;
  const auto classes = static_cast<std::size_t>(b.outputs);
  const double smooth = l.label_smoothing, share = smooth / static_cast<double>(classes);
  const auto weight = [&](std::size_t c) {
    return l.class_weights.empty() ? 1.0 : double{l.class_weights[c]};
  };
  double all_weights = 0;
  for (std::size_t c = 0; c < classes; ++c)
    all_weights += weight(c);

  for (std::size_t i = 0; i < static_cast<std::size_t>(b.n); ++i) {
    const float* z = b.logits.data() + i * classes;
    const auto y = static_cast<std::size_t>(b.targets[i]);
    const float* top = std::max_element(z, z + classes);
    out.correct += static_cast<std::size_t>(top - z) == y ? 1 : 0;
    double total = 0;
    for (std::size_t c = 0; c < classes; ++c)
      total += std::exp(double{z[c]} - *top);
    const double log_total = std::log(total) + *top;
    double loss = (1.0 - smooth) * weight(y) * (log_total - z[y]);
    if (smooth > 0)
      for (std::size_t c = 0; c < classes; ++c)
        loss += share * weight(c) * (log_total - z[c]);
    out.sum += loss;
    if (b.gradient.empty()) continue;
    const double scale = (1.0 - smooth) * weight(y) + share * all_weights;
    for (std::size_t c = 0; c < classes; ++c) {
      const double p = std::exp(double{z[c]} - log_total);
      const double g = p * scale - (c == y ? (1.0 - smooth) * weight(y) : 0.0) - share * weight(c);
      b.gradient[i * classes + c] = static_cast<float>(g / b.normaliser);
    }
  }
  return out;
}

// The index of the largest output is the prediction where the targets are one-hot.
std::int64_t count_correct(const batch_view& b) {
  std::int64_t out = 0;
  if (b.outputs < 2) return 0;
  for (std::int64_t i = 0; i < b.n; ++i) {
    const float *z = b.logits.data() + i * b.outputs, *t = b.targets.data() + i * b.outputs;
    out += std::max_element(z, z + b.outputs) - z == std::max_element(t, t + b.outputs) - t ? 1 : 0;
  }
  return out;
}

loss_value evaluate(const mean_squared_error&, const batch_view& b) {
  loss_value out{.correct = count_correct(b)};
  const double scale = 1.0 / static_cast<double>(b.outputs);
  for (std::size_t i = 0; i < b.logits.size(); ++i) {
    const double d = double{b.logits[i]} - b.targets[i];
    out.sum += d * d * scale;
    if (!b.gradient.empty()) b.gradient[i] = static_cast<float>(2.0 * d * scale / b.normaliser);
  }
  return out;
}

// max(z, 0) - z t + log(1 + exp(-|z|)), which does not overflow
loss_value evaluate(const binary_cross_entropy_logits&, const batch_view& b) {
  loss_value out{.correct = count_correct(b)};
  const double scale = 1.0 / static_cast<double>(b.outputs);
  for (std::size_t i = 0; i < b.logits.size(); ++i) {
    const double z = b.logits[i], t = b.targets[i];
    out.sum += (std::max(z, 0.0) - z * t + std::log1p(std::exp(-std::abs(z)))) * scale;
    const double p = 1.0 / (1.0 + std::exp(-z));
    if (!b.gradient.empty()) b.gradient[i] = static_cast<float>((p - t) * scale / b.normaliser);
  }
  return out;
}

} // namespace

loss_value evaluate_loss(const loss& l,
                         std::span<const float> logits,
                         std::span<const float> targets,
                         std::int64_t n,
                         double normaliser,
                         std::span<float> gradient) {
  const batch_view b{logits,
                     targets,
                     n,
                     n > 0 ? static_cast<std::int64_t>(logits.size()) / n : 0,
                     normaliser,
                     gradient};
  return std::visit([&](const auto& kind) { return evaluate(kind, b); }, l);
}

double normaliser_of(const loss& l, float target, std::int64_t) {
  const auto* softmax = std::get_if<softmax_cross_entropy>(&l);
  if (softmax == nullptr || softmax->class_weights.empty()) return 1.0;
  return softmax->class_weights[static_cast<std::size_t>(target)];
}

} // namespace troupe
