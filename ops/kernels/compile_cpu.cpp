#include "ops/assert.hpp"
#include "ops/kernels/cpu_program.hpp"
#include "ops/kernels/layers/layers.hpp"
#include "ops/kernels/own_kernels.hpp"
#include "ops/kernels/unit.hpp"
#include "ops/program.hpp"

namespace troupe {

namespace kernels {

namespace {

void build_unit(builder& b, const unit& u) {
  if (u.pool) {
    build_fused_pool(b, u);
    return;
  }
  if (u.sum) {
    build_own_batch_norm(b, u);
    return;
  }
  switch (b.node_at(u.first()).kind) {
  case node_kind::conv2d:
    return build_conv2d(b, u);
  case node_kind::dense:
    return build_dense(b, u);
  case node_kind::max_pool2d:
  case node_kind::average_pool2d:
  case node_kind::global_average_pool:
    return build_pool(b, u);
  case node_kind::batch_norm:
    return build_batch_norm(b, u);
  case node_kind::dropout:
    return build_dropout(b, u);
  case node_kind::flatten:
    return build_flatten(b, u);
  case node_kind::relu:
  case node_kind::leaky_relu:
  case node_kind::sigmoid:
  case node_kind::tanh_activation:
    return build_activation(b, u);
  case node_kind::add:
    return build_add(b, u);
  case node_kind::input:
    break;
  }
  TROUPE_ASSERT(false, "the input is not built");
}

} // namespace

} // namespace kernels

std::unique_ptr<program> compile_cpu(const graph& g, const compile_options& options) {
  using namespace kernels;
  use_one_thread();
  compile_options effective = options;
  effective.own_kernels = options.own_kernels && own_kernels_supported();
  builder b(g, effective);
  for (const unit& u : units_of(g, {.own_kernels = effective.own_kernels}))
    build_unit(b, u);

  const int last = static_cast<int>(g.nodes.size()) - 1;
  const memory_desc plain = plain_desc(b.value(last).desc().dims());
  view output = b.value(last);
  if (output.slot == view::external) { // a model without operations
    output = b.make(plain);
    b.copy(phase::forward, "output", b.value(last), output);
  }
  output = b.as(phase::forward, "output", output, plain);
  view output_gradient = output;
  if (options.training) {
    output_gradient = b.make(plain);
    b.contribute(last, output_gradient, true);
    b.build_backward();
  }
  return std::make_unique<cpu_program>(std::move(b), output, output_gradient);
}

} // namespace troupe
