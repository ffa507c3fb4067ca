#include "ops/assert.hpp"
#include "ops/kernels/compile.hpp"
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
  case node_kind::concat:
    return build_concat(b, u);
  case node_kind::input:
    break;
  }
  TROUPE_ASSERT(false, "the input is not built");
}

void add(builder& b, const std::string& label, const view& x, const view& y, const view& target) {
  const dnnl::binary::desc desc(dnnl::algorithm::binary_add, x.desc(), y.desc(), target.desc());
  const dnnl::binary::primitive_desc pd(desc, b.attributes(), cpu_engine());
  b.primitive(phase::backward,
              label,
              pd,
              dnnl::binary(pd),
              {{DNNL_ARG_SRC_0, x}, {DNNL_ARG_SRC_1, y}, {DNNL_ARG_DST, target}});
}

compile_options on_this_machine(const compile_options& options) {
  use_one_thread();
  compile_options out = options;
  out.own_kernels = options.own_kernels && !options.row_major && own_kernels_supported();
  return out;
}

backend cpu_backend(const compile_options& options) {
  return {cpu_memory(), {options.own_kernels, options.part_of_node}, build_unit, add};
}

} // namespace

} // namespace kernels

std::unique_ptr<program> compile_cpu(const graph& g, const compile_options& options) {
  const auto here = kernels::on_this_machine(options);
  return kernels::compile(g, here, kernels::cpu_backend(here));
}

std::vector<piece> pieces_of(const graph& g, const compile_options& options) {
  const auto here = kernels::on_this_machine(options);
  return kernels::pieces_of(g, here, kernels::cpu_backend(here));
}

} // namespace troupe
