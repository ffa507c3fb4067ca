// Networks, parameters and inputs of the kernel tests. Values are a hash of a name and an index,
// the same as in tests/data/make_layer_reference.py.
#pragma once

#include "ops/graph.hpp"
#include "ops/program.hpp"
#include "ops/slice.hpp"
#include "ops/whole_parameter.hpp"

#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace troupe::kernel_tests {

inline float value_of(const std::string& name, std::uint32_t index) {
  std::uint32_t seed = 0;
  for (unsigned char c : name)
    seed = seed * 31 + c;
  std::uint32_t x = (index + seed) * 2654435761U;
  x ^= x >> 15;
  x *= 2246822519U;
  x ^= x >> 13;
  return static_cast<float>(x >> 8) / 16777216.0F * 2 - 1;
}

struct network {
  std::string name;
  shape input;
  std::int64_t microbatch;
  model layers;
  std::vector<slice> slices = {};
};

inline graph graph_of(const network& n) {
  return sliced(build_graph(n.layers, n.input), n.slices);
}

inline std::vector<network> networks() {
  const auto conv = [](int channels, int kernel, int stride, int padding, int groups, bool bias) {
    return conv2d{channels, kernel, stride, padding, groups, bias};
  };
  std::vector<network> all;
  all.push_back({"convolutions",
                 {3, 9, 9},
                 4,
                 sequential(conv(8, 3, 1, 1, 1, true),
                            relu{},
                            conv(8, 3, 2, 1, 2, false),
                            leaky_relu{0.1F},
                            conv(6, 2, 1, 0, 1, true),
                            flatten{},
                            dense{5})});
  all.push_back({"pools",
                 {4, 11, 11},
                 3,
                 sequential(conv(6, 3, 1, 1, 1, true),
                            max_pool2d{3, 2, 1},
                            conv(16, 3, 1, 1, 1, true),
                            tanh_activation{},
                            average_pool2d{2, 2, 1},
                            conv(5, 1, 1, 0, 1, true),
                            global_average_pool{},
                            flatten{},
                            dense{4})});
  all.push_back({"batch_norms",
                 {3, 8, 8},
                 6,
                 sequential(conv(16, 3, 1, 1, 1, false),
                            batch_norm{},
                            relu{},
                            max_pool2d{2},
                            conv(5, 3, 1, 1, 1, true),
                            batch_norm{},
                            flatten{},
                            dense{7},
                            batch_norm{},
                            sigmoid{},
                            dense{3})});
  const auto block = [&](int channels, int stride) {
    return std::vector<layer>{conv(channels, 3, stride, 1, 1, false),
                              batch_norm{},
                              relu{},
                              conv(channels, 3, 1, 1, 1, false),
                              batch_norm{}};
  };
  residual narrow, wide, plain;
  narrow.body = block(16, 1);
  narrow.relu_after = true;
  wide.body = block(32, 2);
  wide.shortcut = {conv(32, 1, 2, 0, 1, false), batch_norm{}};
  wide.relu_after = true;
  plain.body = {conv(32, 3, 1, 1, 1, true)};
  all.push_back({"residuals",
                 {3, 8, 8},
                 5,
                 sequential(conv(16, 3, 1, 1, 1, false),
                            batch_norm{},
                            relu{},
                            narrow,
                            wide,
                            plain,
                            global_average_pool{},
                            flatten{},
                            dense{4})});
  residual inner, outer;
  inner.body = {conv(16, 3, 1, 1, 1, true), batch_norm{}};
  outer.body = {conv(16, 1, 1, 0, 1, true), inner};
  outer.shortcut = {conv(16, 1, 1, 0, 1, true)};
  all.push_back({"nested",
                 {3, 6, 7},
                 4,
                 sequential(conv(16, 3, 1, 1, 1, true), outer, relu{}, flatten{}, dense{3})});
  all.push_back({"activations",
                 {10},
                 7,
                 sequential(dense{12},
                            tanh_activation{},
                            dense{9},
                            sigmoid{},
                            dense{8},
                            leaky_relu{0.2F},
                            batch_norm{},
                            relu{},
                            dense{3, false})});
  all.push_back({"small_vgg",
                 {1, 13, 13},
                 4,
                 sequential(conv(16, 5, 1, 2, 1, true),
                            relu{},
                            max_pool2d{2},
                            conv(32, 3, 1, 1, 1, true),
                            relu{},
                            conv(32, 3, 1, 1, 1, true),
                            relu{},
                            max_pool2d{2},
                            flatten{},
                            dense{6})});
  all.push_back({"small_lenet",
                 {1, 15, 15},
                 4,
                 sequential(conv(16, 5, 1, 2, 1, true),
                            relu{},
                            max_pool2d{2},
                            conv(48, 5, 1, 2, 1, true),
                            relu{},
                            max_pool2d{2},
                            flatten{},
                            dense{24},
                            relu{},
                            dense{5})});
  all.push_back({"small_cnn",
                 {1, 15, 14},
                 6,
                 sequential(conv(16, 3, 1, 1, 1, false),
                            batch_norm{},
                            relu{},
                            max_pool2d{2},
                            conv(48, 3, 1, 1, 1, false),
                            batch_norm{},
                            relu{},
                            max_pool2d{2},
                            flatten{},
                            batch_norm{},
                            dense{5})});
  return all;
}

// Slices of all kinds of layers, whose kernels choose all kinds of layouts: several in a row,
// inside residual blocks, at the end, with a block of 16 channels each, with parts of one, with 1
// channel.
inline std::vector<network> sliced_networks() {
  const std::vector<std::pair<std::string, std::vector<slice>>> wanted = {
      {"convolutions", {{"0", 2}, {"4", 3}, {"6", 5}}},
      {"pools", {{"0", 3}, {"2", 4}, {"5", 5}}},
      {"batch_norms", {{"0", 2}, {"4", 5}, {"7", 7}}},
      {"residuals", {{"0", 2}, {"3.body.0", 4}, {"4.body.0", 2}, {"4.shortcut.0", 2}, {"8", 2}}},
      {"residuals", {{"4.body.3", 2}, {"5.body.0", 2}}},
      {"nested", {{"1.body.0", 2}, {"1.body.1.body.0", 4}, {"1.shortcut.0", 2}}},
      {"activations", {{"0", 3}, {"2", 3}, {"4", 2}, {"8", 3}}},
      {"activations", {{"0", 4}, {"4", 4}}},
      {"small_vgg", {{"3", 2}, {"5", 2}}},
      {"small_vgg", {{"3", 4}, {"9", 3}}},
      {"small_lenet", {{"3", 3}, {"7", 2}}},
      {"small_cnn", {{"0", 2}, {"4", 3}}},
      {"small_cnn", {{"4", 2}}},
      {"small_cnn", {{"4", 4}}}};
  std::vector<network> out;
  for (const auto& [name, slices] : wanted)
    for (network& n : networks())
      if (n.name == name) {
        n.slices = slices;
        out.push_back(std::move(n));
      }
  return out;
}

inline bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

inline std::vector<float> plain_values_of(const network& n, const parameter_spec& spec) {
  std::vector<float> values(static_cast<std::size_t>(spec.dims.elements()));
  const double scale =
      spec.dims.rank() > 1
          ? 1.5 / std::sqrt(static_cast<double>(spec.dims.elements() / spec.dims[0]))
          : 0.3;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double v = value_of(n.name + "." + spec.name, static_cast<std::uint32_t>(i));
    values[i] = spec.dims.rank() > 1                  ? static_cast<float>(v * scale)
                : ends_with(spec.name, "running_var") ? static_cast<float>(1 + 0.5 * v)
                : ends_with(spec.name, "weight")      ? static_cast<float>(1 + 0.3 * v)
                                                      : static_cast<float>(v * 0.3);
  }
  return values;
}

// PyTorch's order, one vector per parameter; slices have their rows of the whole.
inline std::vector<std::vector<float>> plain_parameters(const network& n, const graph& g) {
  std::vector<std::vector<float>> all(g.parameters.size());
  for (const whole_parameter& whole : whole_parameters(g.parameters)) {
    const auto values = plain_values_of(n, whole.spec);
    auto from = values.begin();
    for (const int part : whole.parts) {
      const auto i = static_cast<std::size_t>(part);
      const auto end = from + static_cast<std::ptrdiff_t>(g.parameters[i].dims.elements());
      all[i].assign(from, end);
      from = end;
    }
  }
  return all;
}

inline std::vector<tensor> pack(const parameter_layout& layout,
                                const std::vector<std::vector<float>>& plain) {
  std::vector<std::span<const float>> spans(plain.begin(), plain.end());
  return packed_blocks(layout, spans);
}

inline tensor input_of(const network& n) {
  const shape dims = n.input.with_batch(n.microbatch);
  std::vector<float> values(static_cast<std::size_t>(dims.elements()));
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = value_of(n.name + ".input", static_cast<std::uint32_t>(i));
  return make_tensor(dims, values);
}

inline tensor labels_of(const network& n, std::int64_t classes) {
  std::vector<float> labels;
  for (std::int64_t i = 0; i < n.microbatch; ++i)
    labels.push_back(static_cast<float>(i % classes));
  return make_tensor(shape{n.microbatch}, labels);
}

// Keeps what the backward pass hands over, and in which order.
class collected final : public gradient_sink {
public:
  explicit collected(std::size_t blocks) : gradients(blocks) {}

  void on_gradient(int block, tensor gradient) override {
    order.push_back(block);
    gradients[static_cast<std::size_t>(block)] = std::move(gradient);
  }

  std::vector<tensor> gradients;
  std::vector<int> order;
};

struct step_result {
  std::vector<float> output;
  loss_value loss;
  std::vector<tensor> gradients; // packed
};

// Forward, loss and backward with normaliser = microbatch.
inline step_result run_step(program& p,
                            const network& n,
                            const graph& g,
                            const std::vector<tensor>& parameters,
                            const microbatch_key& key = {}) {
  p.bind(parameters);
  p.forward(input_of(n), key);
  step_result r;
  r.output.assign(p.output().begin(), p.output().end());
  r.loss = p.compute_loss(softmax_cross_entropy{},
                          labels_of(n, g.output().elements()),
                          static_cast<double>(n.microbatch));
  collected sink(p.layout().blocks.size());
  p.backward(sink);
  r.gradients = std::move(sink.gradients);
  return r;
}

} // namespace troupe::kernel_tests
