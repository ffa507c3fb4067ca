// Maximum, average and global average pooling through oneDNN, in the layout of the input. The
// maximum keeps a workspace of positions for its gradient.
#include "ops/kernels/layers/layers.hpp"

#include <optional>
#include <variant>

namespace troupe::kernels {

namespace {

using dnnl::algorithm;
using dnnl::memory;

struct window {
  algorithm method = algorithm::pooling_max;
  memory::dims kernel, strides, padding;
};

window window_of(const node& n, const shape& input) {
  const auto square = [](memory::dim a) { return memory::dims{a, a}; };
  if (const auto* p = std::get_if<max_pool2d>(&n.options))
    return {algorithm::pooling_max,
            square(p->kernel),
            square(p->stride ? p->stride : p->kernel),
            square(p->padding)};
  if (const auto* p = std::get_if<average_pool2d>(&n.options))
    return {algorithm::pooling_avg_include_padding,
            square(p->kernel),
            square(p->stride ? p->stride : p->kernel),
            square(p->padding)};
  const memory::dims all{input[1], input[2]};
  return {algorithm::pooling_avg_include_padding, all, all, square(0)};
}

} // namespace

void build_pool(builder& b, const unit& u) {
  using forward = dnnl::pooling_forward;
  using backward = dnnl::pooling_backward;
  const int index = u.first(), source = b.node_at(index).inputs[0];
  const window w = window_of(b.node_at(index), b.node_at(source).output);
  const view input = b.value(source);
  const forward::desc desc(b.forward_kind(),
                           w.method,
                           input.desc(),
                           b.wanted(b.dims_of(index)),
                           w.strides,
                           w.kernel,
                           w.padding,
                           w.padding);
  const forward::primitive_desc pd(desc, b.attributes(), cpu_engine());
  const view output = b.make(pd.dst_desc());
  std::vector<builder::argument> arguments{{DNNL_ARG_SRC, input}, {DNNL_ARG_DST, output}};
  std::optional<view> workspace;
  if (b.training() && w.method == algorithm::pooling_max) {
    workspace = b.make(pd.workspace_desc());
    arguments.emplace_back(DNNL_ARG_WORKSPACE, *workspace);
  }
  b.primitive(phase::forward, b.name(index, "forward"), pd, forward(pd), arguments);
  b.set_value(index, output);

  b.on_backward([=, &b, input_desc = input.desc()] {
    if (!b.needs_gradient(source)) return;
    const gradient g = b.gradient_as(index, pd.dst_desc());
    const backward::desc back(
        w.method, input_desc, pd.dst_desc(), w.strides, w.kernel, w.padding, w.padding);
    const backward::primitive_desc back_pd(back, b.attributes(), cpu_engine(), pd);
    const view result = b.make(back_pd.diff_src_desc());
    std::vector<builder::argument> back_arguments{{DNNL_ARG_DIFF_DST, g.value},
                                                  {DNNL_ARG_DIFF_SRC, result}};
    if (workspace) back_arguments.emplace_back(DNNL_ARG_WORKSPACE, *workspace);
    b.primitive(phase::backward,
                b.name(index, "input gradient"),
                back_pd,
                backward(back_pd),
                back_arguments);
    b.contribute(source, result, true);
  });
}

} // namespace troupe::kernels
