// The sum at the end of a residual block, and the relu behind it, in one pass. Both inputs get the
// same gradient, as one shared value that neither may overwrite.
#include "ops/kernels/layers/layers.hpp"

namespace troupe::kernels {

void build_add(builder& b, const unit& u) {
  using binary = dnnl::binary;
  const node& n = b.node_at(u.first());
  const int left = n.inputs[0], right = n.inputs[1];
  const view a = b.value(left);
  const view c = b.as(phase::forward, b.name(u.first(), "input"), b.value(right), a.desc());
  const view output = b.make(a.desc());
  const binary::desc desc(dnnl::algorithm::binary_add, a.desc(), c.desc(), output.desc());
  const binary::primitive_desc pd(desc, b.attributes(u.relu), cpu_engine());
  b.primitive(phase::forward,
              b.name(u.first(), u.relu ? "relu forward" : "forward"),
              pd,
              binary(pd),
              {{DNNL_ARG_SRC_0, a}, {DNNL_ARG_SRC_1, c}, {DNNL_ARG_DST, output}});
  b.set_value(u.last(), output);
  b.on_backward([=, &b] {
    gradient g = b.gradient_of(u.last());
    if (u.relu) g = relu_gradient(b, u.first(), output, g);
    const bool both = b.needs_gradient(left) && b.needs_gradient(right);
    for (int input : {left, right}) {
      if (b.needs_gradient(input)) b.contribute(input, g.value, g.owned && !both);
    }
  });
}

} // namespace troupe::kernels
