// y = x * w + b, through oneDNN with layouts of its choice; a relu that follows is computed on the
// way out. The layout of the weight is that of the forward kernel: its gradient and everything the
// optimizer keeps have the same.
#include "ops/kernels/layers/layers.hpp"
#include "ops/kernels/own_kernels.hpp"

#include <variant>

namespace troupe::kernels {

namespace {

using dnnl::algorithm;
using dnnl::memory;

struct convolution {
  builder& b;
  unit u;
  int source;
  conv2d options;
  memory::dims source_dims, target_dims, weight_dims, bias_dims, strides, padding;
  memory_desc
      source_desc; // wanted: plain for the few channels of an image, else the kernel's choice

  convolution(builder& into, const unit& of)
      : b(into),
        u(of),
        source(b.node_at(u.first()).inputs[0]),
        options(std::get<conv2d>(b.node_at(u.first()).options)),
        source_dims(b.dims_of(source)),
        target_dims(b.dims_of(u.first())),
        bias_dims{options.channels},
        strides{options.stride, options.stride},
        padding{options.padding, options.padding} {
    const memory::dim groups = options.groups, inputs = source_dims[1], k = options.kernel;
    weight_dims = groups == 1
                      ? memory::dims{options.channels, inputs, k, k}
                      : memory::dims{groups, options.channels / groups, inputs / groups, k, k};
    constexpr memory::dim image_channels_max = 4;
    const bool image = is_plain(b.value(source).desc()) && inputs <= image_channels_max;
    source_desc = image ? plain_desc(source_dims) : b.wanted(source_dims);
  }

  [[nodiscard]] int parameter(int which) const {
    return b.node_at(u.first()).parameters[static_cast<std::size_t>(which)];
  }

  [[nodiscard]] std::string name(const std::string& what) const { return b.name(u.first(), what); }
};

struct built_forward {
  dnnl::convolution_forward::primitive_desc desc;
  view source, weight, target;
};

built_forward build_forward(const convolution& c) {
  using forward = dnnl::convolution_forward;
  builder& b = c.b;
  const memory_desc weight = b.wanted(c.weight_dims), target = b.wanted(c.target_dims);
  const memory_desc bias = plain_desc(c.bias_dims);
  const auto kind = b.forward_kind();
  const auto method = algorithm::convolution_direct;
  const forward::desc desc =
      c.options.bias
          ? forward::desc(
                kind, method, c.source_desc, weight, bias, target, c.strides, c.padding, c.padding)
          : forward::desc(
                kind, method, c.source_desc, weight, target, c.strides, c.padding, c.padding);
  const forward::primitive_desc pd(desc, b.attributes(c.u.relu), cpu_engine());

  built_forward result{pd};
  result.source = b.as(phase::forward, c.name("input"), b.value(c.source), pd.src_desc());
  const auto order = std::make_shared<packed_order>(plain_desc(c.weight_dims), pd.weights_desc());
  result.weight = b.parameter(c.parameter(0), order, pd.weights_desc());
  result.target = b.make(pd.dst_desc());
  std::vector<builder::argument> arguments{{DNNL_ARG_SRC, result.source},
                                           {DNNL_ARG_WEIGHTS, result.weight},
                                           {DNNL_ARG_DST, result.target}};
  if (c.options.bias)
    arguments.emplace_back(DNNL_ARG_BIAS, b.parameter(c.parameter(1), nullptr, bias));
  b.primitive(
      phase::forward, c.name(c.u.relu ? "relu forward" : "forward"), pd, forward(pd), arguments);
  return result;
}

void build_backward_weights(const convolution& c,
                            const built_forward& f,
                            const view& output_gradient) {
  using backward = dnnl::convolution_backward_weights;
  builder& b = c.b;
  const memory_desc weight = b.wanted(c.weight_dims), target = b.wanted(c.target_dims);
  const memory_desc bias = plain_desc(c.bias_dims);
  const auto method = algorithm::convolution_direct;
  const backward::desc desc =
      c.options.bias
          ? backward::desc(
                method, c.source_desc, weight, bias, target, c.strides, c.padding, c.padding)
          : backward::desc(method, c.source_desc, weight, target, c.strides, c.padding, c.padding);
  const backward::primitive_desc pd(desc, b.attributes(), cpu_engine(), f.desc);

  const view source = b.as(phase::backward, c.name("input"), f.source, pd.src_desc());
  const view gradient =
      b.as(phase::backward, c.name("gradient"), output_gradient, pd.diff_dst_desc());
  const view target_gradient = b.parameter_gradient(c.parameter(0), f.desc.weights_desc());
  const bool direct = pd.diff_weights_desc() == f.desc.weights_desc();
  const view written = direct ? target_gradient : b.make(pd.diff_weights_desc());
  std::vector<builder::argument> arguments{
      {DNNL_ARG_SRC, source}, {DNNL_ARG_DIFF_DST, gradient}, {DNNL_ARG_DIFF_WEIGHTS, written}};
  if (c.options.bias)
    arguments.emplace_back(DNNL_ARG_DIFF_BIAS, b.parameter_gradient(c.parameter(1), bias));
  b.primitive(phase::backward, c.name("weight gradient"), pd, backward(pd), arguments);
  if (!direct) b.copy(phase::backward, c.name("weight gradient"), written, target_gradient);
}

void build_backward_data(const convolution& c,
                         const built_forward& f,
                         const view& output_gradient) {
  using backward = dnnl::convolution_backward_data;
  builder& b = c.b;
  const backward::desc desc(algorithm::convolution_direct,
                            b.wanted(c.source_dims),
                            b.wanted(c.weight_dims),
                            b.wanted(c.target_dims),
                            c.strides,
                            c.padding,
                            c.padding);
  const backward::primitive_desc pd(desc, b.attributes(), cpu_engine(), f.desc);
  const view gradient =
      b.as(phase::backward, c.name("gradient"), output_gradient, pd.diff_dst_desc());
  const view weight = b.as(phase::bind, c.name("weight"), f.weight, pd.weights_desc());
  const view result = b.make(pd.diff_src_desc());
  b.primitive(
      phase::backward,
      c.name("input gradient"),
      pd,
      backward(pd),
      {{DNNL_ARG_DIFF_DST, gradient}, {DNNL_ARG_WEIGHTS, weight}, {DNNL_ARG_DIFF_SRC, result}});
  b.contribute(c.source, result, true);
}

} // namespace

void build_conv2d(builder& b, const unit& u) {
  const convolution c(b, u);
  if (b.own_kernels() && !u.relu &&
      winograd_refusal(c.options, b.node_at(c.source).output).empty()) {
    build_winograd(b, u);
    return;
  }
  const built_forward f = build_forward(c);
  b.set_value(u.last(), f.target);
  b.on_backward([c, f] {
    gradient g = c.b.gradient_of(c.u.last());
    if (c.u.relu) g = relu_gradient(c.b, c.u.first(), f.target, g);
    build_backward_weights(c, f, g.value);
    if (c.b.needs_gradient(c.source)) build_backward_data(c, f, g.value);
  });
}

} // namespace troupe::kernels
