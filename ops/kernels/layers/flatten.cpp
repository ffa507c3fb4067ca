// No operation: the value stays the image it is. Who reads it decides whether the order of its
// memory matters (layers/dense.cpp, layers/batch_norm.cpp).
#include "ops/kernels/layers/layers.hpp"

namespace troupe::kernels {

void build_flatten(builder& b, const unit& u) {
  const int index = u.first(), source = b.node_at(index).inputs[0];
  b.set_value(index, b.value(source));
  b.on_backward([=, &b] {
    if (!b.needs_gradient(source)) return;
    const gradient g = b.gradient_of(index);
    b.contribute(source, g.value, g.owned);
  });
}

} // namespace troupe::kernels
