#include "gpu/compile.hpp"

#include "gpu/layers.hpp"
#include "gpu/loss.hpp"
#include "ops/assert.hpp"
#include "ops/error.hpp"
#include "ops/kernels/compile.hpp"

#include <algorithm>

namespace troupe::gpu {

namespace {

using kernels::builder;
using kernels::floats;
using kernels::unit;
using kernels::view;

void build(const site& s) {
  switch (s.at().kind) {
  case node_kind::conv2d:
    return build_conv2d(s);
  case node_kind::dense:
    return build_dense(s);
  case node_kind::max_pool2d:
  case node_kind::average_pool2d:
  case node_kind::global_average_pool:
    return build_pool(s);
  case node_kind::batch_norm:
    return build_batch_norm(s);
  case node_kind::dropout:
    return build_dropout(s);
  case node_kind::flatten:
    return build_identity(s);
  case node_kind::relu:
  case node_kind::leaky_relu:
  case node_kind::sigmoid:
  case node_kind::tanh_activation:
    return build_activation(s);
  case node_kind::add:
    return build_add(s);
  case node_kind::concat:
    return build_concat(s);
  case node_kind::input:
    break;
  }
  TROUPE_ASSERT(false, "the input is not built");
}

kernels::backend backend_of(const std::shared_ptr<device>& on, const compile_options& options) {
  const auto build_unit = [on](builder& b, const unit& u) { build({on, b, u}); };
  const auto add =
      [on](builder& b, const std::string& label, const view& x, const view& y, const view& target) {
        const auto count = static_cast<std::int64_t>(kernels::float_count(x.desc()));
        b.function(kernels::phase::backward,
                   label,
                   {x, y},
                   {target},
                   [=, x = x.memory, y = y.memory, to = target.memory] {
                     on->add(floats(x), floats(y), floats(to), count);
                   });
      };
  const auto loss = [on](const shape& output) { return make_loss(on, output); };
  return {on, {false, options.part_of_node}, build_unit, add, loss};
}

void check(const graph& g, const compile_options& options) {
  const auto computes = [](const node& n) {
    return n.kind != node_kind::input && n.kind != node_kind::flatten &&
           n.kind != node_kind::dropout;
  };
  if (std::none_of(g.nodes.begin(), g.nodes.end(), computes))
    throw error({.what = "a model without layers cannot be compiled for a GPU",
                 .where = "the model",
                 .why = "nothing is computed",
                 .help = "give it a layer"});
  if (options.layout == nullptr) return;
  for (std::size_t i = 0; i < options.layout->places.size(); ++i)
    if (options.layout->places[i].order)
      throw error({.what = "the parameters lie as a CPU wants them, not a GPU",
                   .where = "parameter " + options.layout->specs[i].name,
                   .why = "the program that trains was compiled for a CPU",
                   .help = "train and evaluate on devices of one kind"});
}

} // namespace

std::unique_ptr<program>
compile(const std::shared_ptr<device>& on, const graph& g, const compile_options& options) {
  check(g, options);
  return kernels::compile(g, options, backend_of(on, options));
}

std::vector<piece>
pieces_of(const std::shared_ptr<device>& on, const graph& g, const compile_options& options) {
  check(g, options);
  return kernels::pieces_of(g, options, backend_of(on, options));
}

} // namespace troupe::gpu
