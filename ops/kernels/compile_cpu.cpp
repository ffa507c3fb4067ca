#include "ops/assert.hpp"
#include "ops/kernels/cpu_program.hpp"
#include "ops/kernels/layers/layers.hpp"
#include "ops/kernels/own_kernels.hpp"
#include "ops/kernels/unit.hpp"
#include "ops/program.hpp"

#include <fmt/format.h>

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

// Everything built, not yet dealt out.
struct built_model {
  builder b;
  std::vector<unit> units;
  view output, output_gradient;
};

built_model build(const graph& g, const compile_options& options) {
  use_one_thread();
  compile_options effective = options;
  effective.own_kernels = options.own_kernels && own_kernels_supported();
  built_model out{
      builder(g, effective), units_of(g, {.own_kernels = effective.own_kernels}), {}, {}};
  builder& b = out.b;
  for (std::size_t i = 0; i < out.units.size(); ++i) {
    b.begin_unit(static_cast<int>(i));
    build_unit(b, out.units[i]);
  }
  const int last = static_cast<int>(g.nodes.size()) - 1;
  const memory_desc plain = plain_desc(b.value(last).desc().dims());
  out.output = b.value(last);
  if (out.output.slot == view::external) { // a model without operations
    out.output = b.make(plain);
    b.copy(phase::forward, "output", b.value(last), out.output);
  }
  out.output = b.as(phase::forward, "output", out.output, plain);
  out.output_gradient = out.output;
  if (options.training) {
    out.output_gradient = b.make(plain);
    b.contribute(last, out.output_gradient, true);
    b.build_backward();
  }
  return out;
}

} // namespace

} // namespace kernels

std::unique_ptr<program> compile_cpu(const graph& g, const compile_options& options) {
  using namespace kernels;
  built_model built = build(g, options);
  std::vector<int> part_of_unit(built.units.size(), 0), piece_of_unit = part_of_unit;
  const auto pieces = kernels::pieces_of(built.b, built.units);
  const auto& part_of_piece = options.part_of_piece;
  TROUPE_ASSERT(part_of_piece.empty() || part_of_piece.size() == pieces.size(),
                "a part for every piece");
  for (std::size_t p = 0; p < pieces.size(); ++p)
    for (const int u : pieces[p]) {
      piece_of_unit[static_cast<std::size_t>(u)] = static_cast<int>(p);
      if (!part_of_piece.empty()) part_of_unit[static_cast<std::size_t>(u)] = part_of_piece[p];
    }
  part_map parts = parts_of(g, built.units, std::move(part_of_unit));
  parts.pieces = std::move(piece_of_unit);
  return std::make_unique<cpu_program>(
      std::move(built.b), built.output, built.output_gradient, parts);
}

std::vector<piece> pieces_of(const graph& g, const compile_options& options) {
  using namespace kernels;
  const built_model built = build(g, options);
  std::vector<piece> out;
  for (const std::vector<int>& units : kernels::pieces_of(built.b, built.units)) {
    piece p;
    for (const int u : units)
      for (const int n : built.units[static_cast<std::size_t>(u)].nodes) {
        const node& at = g.nodes[static_cast<std::size_t>(n)];
        p.nodes.push_back(n);
        p.flops += at.flops;
        for (const int w : at.parameters)
          p.elements += g.parameters[static_cast<std::size_t>(w)].dims.elements();
      }
    const node& first = g.nodes[static_cast<std::size_t>(p.nodes.front())];
    p.name = first.path + " " + kind_text(first.kind);
    if (first.slices > 1) p.name += fmt::format(", slice {} of {}", first.slice + 1, first.slices);
    p.slice = first.slice;
    p.slices = first.slices;
    out.push_back(std::move(p));
  }
  return out;
}

} // namespace troupe
