// Whether a device evaluates losses as the CPU does.
#pragma once

#include "gpu/device_values.hpp"
#include "gpu/loss.hpp"
#include "ops/random.hpp"

#include <cmath>
#include <limits>
#include <span>
#include <string>
#include <variant>
#include <vector>

namespace troupe::test {

struct loss_case {
  std::string name;
  loss kind;
  std::int64_t n = 0, outputs = 0;
  std::vector<float> logits, targets;
};

inline std::vector<float> drawn(std::int64_t count, std::uint32_t which, float low, float high) {
  random_stream draw({.seed = 51, .b = which});
  std::vector<float> out(static_cast<std::size_t>(count));
  for (float& value : out)
    value = draw.uniform(low, high);
  return out;
}

inline std::vector<loss_case> loss_cases() {
  std::vector<loss_case> out;
  const std::pair<std::int64_t, std::int64_t> sizes[] = {
      {1, 1}, {1, 2}, {5, 10}, {64, 10}, {2, 128}, {3, 129}, {7, 1000}};
  for (const auto& [n, outputs] : sizes) {
    const auto logits = drawn(n * outputs, 0, -8.0F, 8.0F);
    const auto rows = drawn(n * outputs, 1, 0.0F, 1.0F);
    const auto weights = drawn(outputs, 2, 0.25F, 2.0F);
    std::vector<float> labels;
    for (std::int64_t i = 0; i < n; ++i)
      labels.push_back(static_cast<float>((i * 7 + outputs - 1) % outputs));
    const std::string size = " " + std::to_string(n) + " x " + std::to_string(outputs);
    const auto add = [&](const std::string& name, loss kind, const std::vector<float>& targets) {
      out.push_back({name + size, std::move(kind), n, outputs, logits, targets});
    };
    add("softmax", softmax_cross_entropy{}, labels);
    add("smoothed softmax", softmax_cross_entropy{.label_smoothing = 0.125F}, labels);
    add("weighted softmax", softmax_cross_entropy{weights, 0.0F}, labels);
    add("weighted and smoothed softmax", softmax_cross_entropy{weights, 0.1F}, labels);
    add("mean squared error", mean_squared_error{}, rows);
    add("binary cross-entropy", binary_cross_entropy_logits{}, rows);
  }
  return out;
}

// Rows in which the largest value comes twice, is nowhere, or is hidden by what is no number.
inline std::vector<loss_case> odd_rows() {
  constexpr float inf = std::numeric_limits<float>::infinity();
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<std::vector<float>> rows = {{1, 3, 3, 2},
                                                {1, 3, 0, 3},
                                                {1, 0, 3, 3},
                                                {2, 2, 2, 2},
                                                {nan, 3, 1, 2},
                                                {1, nan, 2, 0},
                                                {nan, nan, nan, nan},
                                                {-inf, -inf, -inf, -inf},
                                                {-inf, nan, -inf, 4},
                                                {1, inf, inf, 0},
                                                {-0.0F, 0.0F, -1, -2}};
  std::vector<loss_case> out;
  for (std::size_t r = 0; r < rows.size(); ++r)
    for (std::size_t label = 0; label < 4; ++label) {
      std::vector<float> one_hot(4);
      one_hot[label] = 1;
      const std::string name = "odd row " + std::to_string(r) + ", label " + std::to_string(label);
      out.push_back({name, softmax_cross_entropy{}, 1, 4, rows[r], {static_cast<float>(label)}});
      out.push_back({name + " one-hot", mean_squared_error{}, 1, 4, rows[r], one_hot});
    }
  return out;
}

inline bool alike(double a, double b, double tolerance) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  return a == b || std::abs(a - b) <= tolerance * std::max(std::abs(a), std::abs(b));
}

// "" where values, gradients and right predictions are those of the CPU.
inline std::string difference(const loss_case& c, const std::shared_ptr<gpu::device>& device) {
  const double normaliser = 1.0 / 3 + static_cast<double>(c.n);
  std::vector<float> slopes(c.logits.size());
  const auto expected = evaluate_loss(c.kind, c.logits, c.targets, c.n, normaliser, slopes);
  const auto evaluate = gpu::make_loss(device, shape{c.n, c.outputs});
  const device_values logits(device, c.logits), gradient(device, slopes);
  const tensor targets = make_tensor(shape{std::ssize(c.targets)}, c.targets);
  const auto alone = evaluate(c.kind, targets, normaliser, logits.at(), nullptr);
  const auto got = evaluate(c.kind, targets, normaliser, logits.at(), gradient.at());
  if (got.correct != expected.correct) return "other predictions are right";
  if (alone.correct != got.correct || !alike(alone.sum, got.sum, 0))
    return "another value without the gradient";
  if (!alike(got.sum, expected.sum, 1e-9))
    return std::to_string(got.sum) + " and " + std::to_string(expected.sum);
  const auto back = gradient.back();
  for (std::size_t i = 0; i < back.size(); ++i)
    if (!alike(back[i], slopes[i], 1e-6) && !(std::abs(back[i] - slopes[i]) < 1e-9F))
      return "gradient " + std::to_string(i) + ": " + std::to_string(back[i]) + " and " +
             std::to_string(slopes[i]);
  return "";
}

} // namespace troupe::test
