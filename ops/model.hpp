// A model is a value: a run of layers that can be printed, validated, compared and serialised.
// Names, defaults and meanings are those of torch.nn. Shapes leave the batch axis out.
#pragma once

#include "ops/tensor.hpp"

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace troupe {

enum class initialiser {
  torch_default,  // weight and bias uniform in +-1/sqrt(fan_in) (torch.nn.Conv2d, Linear)
  kaiming_normal, // He et al. 2015, eq. 10; bias zero
  xavier_uniform, // Glorot & Bengio 2010, eq. 16; bias zero
  zeros,
};

struct conv2d {
  int channels = 0; // output channels
  int kernel = 3;
  int stride = 1;
  int padding = 0; // on each side; kernel / 2 keeps the size at stride 1
  int groups = 1;
  bool bias = true;
  initialiser init = initialiser::torch_default;
  friend bool operator==(const conv2d&, const conv2d&) = default;
};

struct dense {
  int outputs = 0;
  bool bias = true;
  initialiser init = initialiser::torch_default;
  friend bool operator==(const dense&, const dense&) = default;
};

struct max_pool2d {
  int kernel = 2;
  int stride = 0; // 0: the kernel
  int padding = 0;
  friend bool operator==(const max_pool2d&, const max_pool2d&) = default;
};

struct average_pool2d { // padding counts as zeros (torch's count_include_pad)
  int kernel = 2;
  int stride = 0;
  int padding = 0;
  friend bool operator==(const average_pool2d&, const average_pool2d&) = default;
};

struct global_average_pool { // [c, h, w] -> [c, 1, 1]
  friend bool operator==(const global_average_pool&, const global_average_pool&) = default;
};

struct batch_norm { // over [n, h, w] per channel, or over n for flat inputs
  float epsilon = 1e-5F;
  float momentum = 0.1F;
  friend bool operator==(const batch_norm&, const batch_norm&) = default;
};

struct dropout {
  float probability = 0.5F;
  friend bool operator==(const dropout&, const dropout&) = default;
};

struct flatten {
  friend bool operator==(const flatten&, const flatten&) = default;
};

struct relu {
  friend bool operator==(const relu&, const relu&) = default;
};

struct leaky_relu {
  float slope = 0.01F;
  friend bool operator==(const leaky_relu&, const leaky_relu&) = default;
};

struct sigmoid {
  friend bool operator==(const sigmoid&, const sigmoid&) = default;
};

struct tanh_activation {
  friend bool operator==(const tanh_activation&, const tanh_activation&) = default;
};

struct layer;

// output = body(x) + shortcut(x); an empty shortcut is the identity.
struct residual {
  std::vector<layer> body;
  std::vector<layer> shortcut;
  // Path components of the two parts in parameter names; empty leaves the component out.
  std::string body_name = "body";
  std::string shortcut_name = "shortcut";
  bool relu_after = false; // output = relu(body(x) + shortcut(x))
  friend bool operator==(const residual&, const residual&);
};

using layer_options = std::variant<conv2d,
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
                                   residual>;

struct layer {
  layer_options options;
  std::string name; // path component in parameter names; empty: the layer's index

  template <class Options>

  requires std::is_constructible_v<layer_options, Options>
  layer(Options value, std::string given_name = {}) // NOLINT(google-explicit-constructor)
      : options(std::move(value)), name(std::move(given_name)) {}

  friend bool operator==(const layer&, const layer&);
};

struct model {
  std::vector<layer> layers;
  friend bool operator==(const model&, const model&);
};

template <class... Layers>
model sequential(Layers&&... layers) {
  return model{{layer(std::forward<Layers>(layers))...}};
}

std::string to_json(const model& m);            // archive form; round-trips exactly
model model_from_json(const std::string& text); // throws error

// The models that `troupe train --model` knows.
model lenet(int classes = 10);
model cnn(int classes = 10);
model resnet20(int classes = 10);
model mlp(int classes = 10); // flatten, dense 256 relu, dense 128 relu, dense classes
const std::vector<std::string>& model_names();
model model_by_name(const std::string& name, int classes); // throws error with "did you mean"

} // namespace troupe
