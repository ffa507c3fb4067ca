// A model with its shapes worked out: a list of nodes in execution order, each reading earlier
// ones. Building the graph is what validates a model; every mistake names the layer and both
// shapes.
#pragma once

#include "ops/model.hpp"
#include "ops/tensor.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace troupe {

enum class parameter_kind {
  trainable,
  statistic, // batch norm's running mean and variance: follows, is not optimised
};

// Where the rows of a slice's parameter lie in that of the whole layer (ops/slice.hpp).
struct rows_of_whole {
  std::string name;
  shape dims;
  std::int64_t first = 0;
};

struct parameter_spec {
  std::string name; // as in PyTorch's state_dict: "0.weight", "1.running_mean"
  shape dims;       // as in PyTorch: conv [o, i/groups, kh, kw], dense [out, in]
  parameter_kind kind = parameter_kind::trainable;
  initialiser init = initialiser::torch_default;
  std::int64_t fan_in = 1;
  float constant = 0.0F;      // value at the start where `constant_init`
  bool constant_init = false; // batch norm: weight 1, bias 0, mean 0, variance 1
  float momentum = 0.0F;      // of a statistic: running = (1 - momentum) * running + momentum * new
  std::optional<rows_of_whole> rows; // of a slice alone
};

enum class node_kind {
  input,
  conv2d,
  dense,
  max_pool2d,
  average_pool2d,
  global_average_pool,
  batch_norm,
  dropout,
  flatten,
  relu,
  leaky_relu,
  sigmoid,
  tanh_activation,
  add,    // of a residual block; two inputs
  concat, // of the slices of a layer; an input each
};

struct node {
  node_kind kind = node_kind::input;
  std::string path;            // "3.body.0"; "" for the input
  layer_options options;       // of the layer it comes from (unused for input, add and concat)
  std::vector<int> inputs;     // indices of earlier nodes
  shape output;                // without the batch axis
  std::vector<int> parameters; // indices into graph::parameters, PyTorch's order
  std::int64_t flops = 0;      // forward, per image; a multiply-add counts 2
  int slice = 0, slices = 1;   // of a layer that is cut: which one, of how many
  int draw_key = 0;            // of random numbers: the node's index in the model without slices
};

struct graph {
  shape input;
  std::vector<node> nodes; // nodes[0] is the input, the last one is the output
  std::vector<parameter_spec> parameters;

  [[nodiscard]] const shape& output() const { return nodes.back().output; }

  [[nodiscard]] std::int64_t flops() const; // forward, per image
  [[nodiscard]] std::int64_t trainable_elements() const;
};

// `input` is [channels, height, width] or [features]. Throws error.
graph build_graph(const model& m, const shape& input);

std::string kind_text(node_kind kind); // "conv2d"
std::string describe(const node& n);   // "conv2d 5x5, 32, padding 2"
std::string summary(const graph& g);   // table: layer, output, parameters, MFLOP per image

} // namespace troupe
