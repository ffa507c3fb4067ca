// Element-wise activations through oneDNN, in the layout of the input. Gradients are computed from
// the output, so the input's memory is free as soon as its other readers are done.
#include "ops/assert.hpp"
#include "ops/kernels/layers/layers.hpp"

#include <variant>

namespace troupe::kernels {

namespace {

using dnnl::algorithm;

struct activation {
  algorithm forward;
  algorithm backward; // from the output
  float alpha = 0.0F;
};

activation activation_of(const node& n) {
  switch (n.kind) {
  case node_kind::relu:
    return {algorithm::eltwise_relu, algorithm::eltwise_relu_use_dst_for_bwd};
  case node_kind::leaky_relu:
    return {algorithm::eltwise_relu,
            algorithm::eltwise_relu_use_dst_for_bwd,
            std::get<leaky_relu>(n.options).slope};
  case node_kind::sigmoid:
    return {algorithm::eltwise_logistic, algorithm::eltwise_logistic_use_dst_for_bwd};
  case node_kind::tanh_activation:
    return {algorithm::eltwise_tanh, algorithm::eltwise_tanh_use_dst_for_bwd};
  default:
    TROUPE_ASSERT(false, "not an activation");
  }
}

gradient
input_gradient(builder& b, int index, const activation& a, const view& output, const gradient& g) {
  using forward = dnnl::eltwise_forward;
  using backward = dnnl::eltwise_backward;
  const memory_desc desc = output.desc();
  const view in = b.as(phase::backward, b.name(index, "gradient"), g.value, desc);
  const bool owned = g.owned || in.slot != g.value.slot;
  const forward::primitive_desc hint(
      forward::desc(dnnl::prop_kind::forward_training, a.backward, desc, a.alpha, 0.0F),
      cpu_engine());
  const backward::primitive_desc pd(
      backward::desc(a.backward, desc, desc, a.alpha, 0.0F), b.attributes(), cpu_engine(), hint);
  const view result = owned ? in : b.make(desc);
  b.primitive(phase::backward,
              b.name(index, "activation gradient"),
              pd,
              backward(pd),
              {{DNNL_ARG_DST, output}, {DNNL_ARG_DIFF_DST, in}, {DNNL_ARG_DIFF_SRC, result}});
  return {result, true};
}

} // namespace

gradient relu_gradient(builder& b, int index, const view& output, const gradient& g) {
  return input_gradient(
      b, index, {algorithm::eltwise_relu, algorithm::eltwise_relu_use_dst_for_bwd}, output, g);
}

void build_activation(builder& b, const unit& u) {
  using forward = dnnl::eltwise_forward;
  const int index = u.first(), source = b.node_at(index).inputs[0];
  const activation a = activation_of(b.node_at(index));
  const view input = b.value(source);
  const forward::primitive_desc pd(
      forward::desc(b.forward_kind(), a.forward, input.desc(), a.alpha, 0.0F),
      b.attributes(),
      cpu_engine());
  const view output = b.make(input.desc());
  b.primitive(phase::forward,
              b.name(index, "forward"),
              pd,
              forward(pd),
              {{DNNL_ARG_SRC, input}, {DNNL_ARG_DST, output}});
  b.set_value(index, output);
  b.on_backward([=, &b] {
    if (!b.needs_gradient(source)) return;
    const gradient g = input_gradient(b, index, a, output, b.gradient_of(index));
    b.contribute(source, g.value, g.owned);
  });
}

} // namespace troupe::kernels
