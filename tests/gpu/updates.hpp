// Whether a device updates parameters and sums gradients with the bits of the CPU.
#pragma once

#include "gpu/device_values.hpp"
#include "ops/optimizer.hpp"
#include "ops/random.hpp"
#include "ops/reduction_tree.hpp"

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace troupe::test {

inline std::vector<optimizer> update_rules() {
  return {sgd{},
          sgd{.weight_decay = 1e-3F},
          sgd{.momentum = 0.9F},
          sgd{.momentum = 0.9F, .weight_decay = 1e-3F},
          sgd{.momentum = 0.9F, .nesterov = true, .weight_decay = 1e-3F},
          adam{},
          adam{.weight_decay = 1e-3F},
          adamw{.beta1 = 0.85F, .epsilon = 1e-6F}};
}

// Of all magnitudes, among them what is not normal, no number, or without bits.
inline std::vector<float> any_floats(std::size_t count, std::uint32_t which) {
  using limits = std::numeric_limits<float>;
  constexpr std::array odd{0.0F,
                           -0.0F,
                           limits::denorm_min(),
                           -3e-39F,
                           limits::min(),
                           limits::max(),
                           limits::infinity(),
                           -limits::infinity(),
                           limits::quiet_NaN()};
  random_stream draw({.seed = 61, .b = which});
  std::vector<float> out(count);
  for (float& value : out)
    value = draw.below(20) == 0 ? odd[draw.below(odd.size())]
                                : std::ldexp(draw.normal(), static_cast<int>(draw.below(60)) - 40);
  return out;
}

inline std::string different_bits(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) return "other sizes";
  for (std::size_t i = 0; i < a.size(); ++i)
    if (std::bit_cast<std::uint32_t>(a[i]) != std::bit_cast<std::uint32_t>(b[i]) &&
        !(std::isnan(a[i]) && std::isnan(b[i])))
      return std::to_string(i) + ": " + std::to_string(a[i]) + " and " + std::to_string(b[i]);
  return "";
}

// "" where four steps leave the same parameters and the same state.
inline std::string difference_of_updates(const optimizer& rule,
                                         std::size_t count,
                                         const std::shared_ptr<gpu::device>& device) {
  std::vector<float> parameters = any_floats(count, 0), next(count);
  std::array state{std::vector<float>(count), std::vector<float>(count)};
  device_values here(device, parameters), there(device, next);
  const device_values first(device, state[0]), second(device, state[1]);
  std::uint32_t which = 0;
  for (const std::int64_t step : {0, 1, 2, 1000}) {
    const auto gradient = any_floats(count, ++which);
    float* const slot[] = {state[0].data(), state[1].data()};
    const auto used = std::span(slot).first(static_cast<std::size_t>(slots(rule)));
    update(rule, 0.03F, step, parameters, gradient, next, used);
    std::swap(parameters, next);
    const device_values g(device, gradient);
    device->update(
        rule, 0.03F, step, {here.at(), g.at(), there.at(), {first.at(), second.at()}, here.count});
    std::swap(here, there);
    const std::string when = " after step " + std::to_string(step);
    if (const auto d = different_bits(parameters, here.back()); !d.empty())
      return "parameter " + d + when;
    if (const auto d = different_bits(state[0], first.back()); !d.empty())
      return "first slot " + d + when;
    if (const auto d = different_bits(state[1], second.back()); !d.empty())
      return "second slot " + d + when;
  }
  return "";
}

// The sum over `span`, written over its left half, or over its right one.
inline const device_values* sum_in_place(const std::vector<device_values>& leaves,
                                         tree_span span,
                                         bool into_left,
                                         gpu::device& device) {
  if (span.count == 1) return &leaves[span.first];
  const auto [left, right] = tree_children(static_cast<std::uint32_t>(leaves.size()), span);
  const auto* const a = sum_in_place(leaves, left, into_left, device);
  const auto* const b = sum_in_place(leaves, right, into_left, device);
  const auto* const to = into_left ? a : b;
  device.add(a->at(), b->at(), to->at(), to->count);
  return to;
}

// "" where gradients that are summed in place in the order of the tree are the CPU's sum.
inline std::string difference_of_sums(std::uint32_t leaves,
                                      std::size_t count,
                                      const std::shared_ptr<gpu::device>& device) {
  std::optional<tensor> expected;
  tree_sum sum(leaves, {0, leaves});
  std::vector<std::vector<float>> gradients;
  for (std::uint32_t i = 0; i < leaves; ++i) {
    gradients.push_back(any_floats(count, i));
    expected = sum.add({i, 1}, make_tensor(shape{std::ssize(gradients[i])}, gradients[i]));
  }
  for (const bool into_left : {true, false}) {
    std::vector<device_values> there;
    for (const auto& gradient : gradients)
      there.emplace_back(device, gradient);
    const auto got = sum_in_place(there, {0, leaves}, into_left, *device)->back();
    const auto d = different_bits({expected->values().begin(), expected->values().end()}, got);
    if (!d.empty()) return d;
  }
  return "";
}

} // namespace troupe::test
