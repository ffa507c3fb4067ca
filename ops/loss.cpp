#include "ops/loss.hpp"

#include "ops/loss_terms.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace troupe {

namespace {

struct batch_view {
  std::span<const float> logits, targets;
  std::int64_t n, outputs;
  double normaliser;
  std::span<float> gradient; // may be empty
};

loss_value evaluate(const softmax_cross_entropy& l, const batch_view& b) {
  loss_value out;
  const auto classes = static_cast<std::size_t>(b.outputs);
  const auto weight = [&](std::size_t c) {
    return l.class_weights.empty() ? 1.0 : double{l.class_weights[c]};
  };
  const double all_weights = sum_of_class_weights(l, b.outputs);

  for (std::size_t i = 0; i < static_cast<std::size_t>(b.n); ++i) {
    const float* z = b.logits.data() + i * classes;
    const auto y = static_cast<std::size_t>(b.targets[i]);
    softmax_row row(l.label_smoothing, static_cast<double>(classes), weight(y), all_weights);
    const float* top = std::max_element(z, z + classes);
    out.correct += static_cast<std::size_t>(top - z) == y ? 1 : 0;
    double total = 0;
    for (std::size_t c = 0; c < classes; ++c)
      total += std::exp(double{z[c]} - *top);
    row.log_total = std::log(total) + *top;
    double loss = row.value_of_label(z[y]);
    if (l.label_smoothing > 0)
      for (std::size_t c = 0; c < classes; ++c)
        loss += row.value_of_class(z[c], weight(c));
    out.sum += loss;
    if (b.gradient.empty()) continue;
    for (std::size_t c = 0; c < classes; ++c)
      b.gradient[i * classes + c] =
          static_cast<float>(row.slope(z[c], weight(c), c == y) / b.normaliser);
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

template <class Term>
loss_value evaluate_each(const Term& term, const batch_view& b) {
  loss_value out{.correct = count_correct(b)};
  const double scale = 1.0 / static_cast<double>(b.outputs);
  for (std::size_t i = 0; i < b.logits.size(); ++i) {
    const loss_term at = term(b.logits[i], b.targets[i]);
    out.sum += at.value * scale;
    if (!b.gradient.empty()) b.gradient[i] = static_cast<float>(at.slope * scale / b.normaliser);
  }
  return out;
}

loss_value evaluate(const mean_squared_error&, const batch_view& b) {
  return evaluate_each(squared_error{}, b);
}

loss_value evaluate(const binary_cross_entropy_logits&, const batch_view& b) {
  return evaluate_each(logistic_error{}, b);
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

double sum_of_class_weights(const softmax_cross_entropy& l, std::int64_t classes) {
  if (l.class_weights.empty()) return static_cast<double>(classes);
  return std::accumulate(l.class_weights.begin(), l.class_weights.end(), 0.0);
}

double normaliser_of(const loss& l, float target, std::int64_t) {
  const auto* softmax = std::get_if<softmax_cross_entropy>(&l);
  if (softmax == nullptr || softmax->class_weights.empty()) return 1.0;
  return softmax->class_weights[static_cast<std::size_t>(target)];
}

} // namespace troupe
