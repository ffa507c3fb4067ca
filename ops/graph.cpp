#include "ops/graph.hpp"

#include "ops/error.hpp"

#include <fmt/format.h>

namespace troupe {

std::int64_t graph::flops() const {
  std::int64_t out = 0;
  for (const auto& n : nodes)
    out += n.flops;
  return out;
}

std::int64_t graph::trainable_elements() const {
  std::int64_t out = 0;
  for (const auto& p : parameters)
    if (p.kind == parameter_kind::trainable) out += p.dims.elements();
  return out;
}

namespace {

class builder {
public:
  explicit builder(const shape& input) {
    out_.input = input;
    out_.nodes.push_back({.output = input});
  }

  // Returns the index of the last node.
  int add_all(const std::vector<layer>& layers, const std::string& prefix, int at) {
    for (std::size_t i = 0; i < layers.size(); ++i) {
      const auto component = layers[i].name.empty() ? std::to_string(i) : layers[i].name;
      path_ = prefix.empty() ? component : std::string(prefix).append(".").append(component);
      options_ = &layers[i].options;
      at = std::visit([&](const auto& o) { return add(o, at); }, layers[i].options);
    }
    return at;
  }

  graph take() { return std::move(out_); }

private:
  [[nodiscard]] const shape& shape_of(int n) const {
    return out_.nodes[static_cast<std::size_t>(n)].output;
  }

  [[noreturn]] void
  refuse(const std::string& what, const std::string& why, const std::string& help = {}) const {
    throw error({.what = what, .where = fmt::format("layer {}", path_), .why = why, .help = help});
  }

  int push(node_kind kind, int input, const shape& output) {
    const auto index = static_cast<int>(out_.nodes.size());
    out_.nodes.push_back({.kind = kind,
                          .path = path_,
                          .options = *options_,
                          .inputs = {input},
                          .output = output,
                          .draw_key = index});
    return index;
  }

  node& last() { return out_.nodes.back(); }

  parameter_spec& parameter(const char* name, const shape& dims) {
    last().parameters.push_back(static_cast<int>(out_.parameters.size()));
    out_.parameters.push_back({.name = path_ + "." + name, .dims = dims});
    return out_.parameters.back();
  }

  void need_image(const char* layer, int at) const {
    if (shape_of(at).rank() != 3)
      refuse(fmt::format("{} needs images", layer),
             fmt::format("its input is {}, not [channels, height, width]", shape_of(at).text()));
  }

  // The size of a sliding window's output (torch.nn.Conv2d, with dilation 1).
  std::int64_t window(const char* layer,
                      std::int64_t size,
                      int kernel,
                      int stride,
                      int padding,
                      const shape& in) const {
    if (kernel < 1 || stride < 1 || padding < 0)
      refuse(fmt::format("{} has an impossible window", layer),
             fmt::format("kernel {}, stride {}, padding {}", kernel, stride, padding));
    const std::int64_t room = size + 2 * padding - kernel;
    if (room < 0)
      refuse(fmt::format("{} does not fit its input", layer),
             fmt::format("input {}: {} + 2 x {} < kernel {}", in.text(), size, padding, kernel),
             "use a smaller kernel, or fewer layers that shrink the image before it");
    return room / stride + 1;
  }

  int add(const conv2d& o, int at) {
    need_image("conv2d", at);
    const auto in = shape_of(at);
    if (o.channels < 1 || o.groups < 1 || in[0] % o.groups != 0 || o.channels % o.groups != 0)
      refuse("conv2d has impossible channels",
             fmt::format("{} input channels and {} output channels in {} groups",
                         in[0],
                         o.channels,
                         o.groups));
    const shape result{o.channels,
                       window("conv2d", in[1], o.kernel, o.stride, o.padding, in),
                       window("conv2d", in[2], o.kernel, o.stride, o.padding, in)};
    const int n = push(node_kind::conv2d, at, result);
    const std::int64_t per_group = in[0] / o.groups;
    const std::int64_t fan_in = per_group * o.kernel * o.kernel;
    weights({o.channels, per_group, o.kernel, o.kernel}, o.channels, o.bias, o.init, fan_in);
    last().flops = 2 * result.elements() * fan_in;
    return n;
  }

  int add(const dense& o, int at) {
    const auto in = shape_of(at);
    if (in.rank() != 1)
      refuse("dense needs flat inputs",
             fmt::format("its input is {}", in.text()),
             "put flatten{} before it");
    if (o.outputs < 1) refuse("dense has no outputs", fmt::format("outputs {}", o.outputs));
    const int n = push(node_kind::dense, at, {o.outputs});
    weights({o.outputs, in[0]}, o.outputs, o.bias, o.init, in[0]);
    last().flops = 2 * in[0] * o.outputs;
    return n;
  }

  void weights(
      const shape& dims, std::int64_t outputs, bool bias, initialiser init, std::int64_t fan_in) {
    auto& w = parameter("weight", dims);
    w.init = init;
    w.fan_in = fan_in;
    if (!bias) return;
    auto& b = parameter("bias", {outputs});
    b.init = init;
    b.fan_in = fan_in;
  }

  int pool(node_kind kind, const char* layer, int kernel, int stride, int padding, int at) {
    need_image(layer, at);
    const auto in = shape_of(at);
    const int step = stride == 0 ? kernel : stride;
    if (2 * padding > kernel)
      refuse(fmt::format("{} has more padding than half its kernel", layer),
             fmt::format("padding {}, kernel {}", padding, kernel));
    return push(kind,
                at,
                {in[0],
                 window(layer, in[1], kernel, step, padding, in),
                 window(layer, in[2], kernel, step, padding, in)});
  }

  int add(const max_pool2d& o, int at) {
    return pool(node_kind::max_pool2d, "max_pool2d", o.kernel, o.stride, o.padding, at);
  }

  int add(const average_pool2d& o, int at) {
    return pool(node_kind::average_pool2d, "average_pool2d", o.kernel, o.stride, o.padding, at);
  }

  int add(const global_average_pool&, int at) {
    need_image("global_average_pool", at);
    return push(node_kind::global_average_pool, at, {shape_of(at)[0], 1, 1});
  }

  int add(const batch_norm& o, int at) {
    const auto in = shape_of(at);
    if (in.rank() != 3 && in.rank() != 1)
      refuse("batch_norm needs channels", fmt::format("its input is {}", in.text()));
    const int n = push(node_kind::batch_norm, at, in);
    const auto constant = [&](const char* name, float value, parameter_kind kind) {
      auto& p = parameter(name, {in[0]});
      p.constant = value;
      p.constant_init = true;
      p.kind = kind;
      p.momentum = kind == parameter_kind::statistic ? o.momentum : 0.0F;
    };
    constant("weight", 1, parameter_kind::trainable);
    constant("bias", 0, parameter_kind::trainable);
    constant("running_mean", 0, parameter_kind::statistic);
    constant("running_var", 1, parameter_kind::statistic);
    return n;
  }

  int add(const dropout& o, int at) {
    if (!(o.probability >= 0.0F && o.probability < 1.0F))
      refuse("dropout has an impossible probability",
             fmt::format("{} is not in [0, 1)", o.probability));
    return push(node_kind::dropout, at, shape_of(at));
  }

  int add(const flatten&, int at) {
    return push(node_kind::flatten, at, {shape_of(at).elements()});
  }

  int add(const relu&, int at) { return push(node_kind::relu, at, shape_of(at)); }

  int add(const leaky_relu&, int at) { return push(node_kind::leaky_relu, at, shape_of(at)); }

  int add(const sigmoid&, int at) { return push(node_kind::sigmoid, at, shape_of(at)); }

  int add(const tanh_activation&, int at) {
    return push(node_kind::tanh_activation, at, shape_of(at));
  }

  int add(const residual& o, int at) {
    const auto path = path_;
    const auto* const options = options_;
    const auto part = [&](const std::string& name) {
      return name.empty() ? path : path + "." + name;
    };
    const int body = add_all(o.body, part(o.body_name), at);
    const int shortcut = add_all(o.shortcut, part(o.shortcut_name), at);
    path_ = path;
    options_ = options;
    if (!(shape_of(body) == shape_of(shortcut)))
      refuse("the two parts of a residual block have different shapes",
             fmt::format("body {}, shortcut {}", shape_of(body).text(), shape_of(shortcut).text()),
             "give the shortcut a 1x1 convolution with the body's channels and stride");
    int n = push(node_kind::add, body, shape_of(body));
    last().inputs = {body, shortcut};
    if (o.relu_after) n = push(node_kind::relu, n, shape_of(n));
    return n;
  }

  graph out_;
  std::string path_;
  const layer_options* options_ = nullptr;
};

} // namespace

graph build_graph(const model& m, const shape& input) {
  if (m.layers.empty())
    throw error({.what = "the model has no layers", .help = "build it with sequential(...)"});
  builder b(input);
  b.add_all(m.layers, "", 0);
  return b.take();
}

} // namespace troupe
