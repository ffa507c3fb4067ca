#include "ops/kernels/compile.hpp"

#include "ops/assert.hpp"
#include "ops/kernels/compiled_program.hpp"
#include "ops/kernels/partition.hpp"

#include <fmt/format.h>

namespace troupe::kernels {

namespace {

// Everything built, not yet dealt out.
struct built_model {
  builder b;
  std::vector<unit> units;
  view output, output_gradient;
};

built_model build(const graph& g, const compile_options& options, const backend& by) {
  built_model out{builder(g, options, by.add), units_of(g, by.allowed), {}, {}};
  builder& b = out.b;
  for (std::size_t i = 0; i < out.units.size(); ++i) {
    b.begin_unit(static_cast<int>(i));
    by.build_unit(b, out.units[i]);
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

std::unique_ptr<program>
compile(const graph& g, const compile_options& options, const backend& by) {
  built_model built = build(g, options, by);
  std::vector<int> part_of_unit(built.units.size(), 0), piece_of_unit = part_of_unit;
  const auto pieces = pieces_of(built.b, built.units);
  const auto& part_of_piece = options.part_of_piece;
  TROUPE_ASSERT(part_of_piece.empty() || part_of_piece.size() == pieces.size(),
                "a part for every piece");
  const auto& part_of_node = options.part_of_node;
  TROUPE_ASSERT(part_of_node.empty() || part_of_node.size() == g.nodes.size(),
                "a part for every node");
  for (std::size_t p = 0; p < pieces.size(); ++p)
    for (const int u : pieces[p]) {
      piece_of_unit[static_cast<std::size_t>(u)] = static_cast<int>(p);
      auto& part = part_of_unit[static_cast<std::size_t>(u)];
      if (!part_of_piece.empty()) part = part_of_piece[p];
      if (!part_of_node.empty())
        part = part_of_node[static_cast<std::size_t>(
            built.units[static_cast<std::size_t>(u)].first())];
    }
  part_map parts = parts_of(g, built.units, std::move(part_of_unit));
  parts.pieces = std::move(piece_of_unit);
  return std::make_unique<compiled_program>(
      std::move(built.b), built.output, built.output_gradient, parts, by);
}

std::vector<piece> pieces_of(const graph& g, const compile_options& options, const backend& by) {
  const built_model built = build(g, options, by);
  std::vector<piece> out;
  for (const std::vector<int>& units : pieces_of(built.b, built.units)) {
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

} // namespace troupe::kernels

namespace troupe {

std::vector<int> part_of_node(const graph& g,
                              const std::vector<piece>& pieces,
                              const std::vector<int>& part_of_piece) {
  TROUPE_ASSERT(pieces.size() == part_of_piece.size(), "a part for every piece");
  std::vector<int> out(g.nodes.size(), 0); // the input is of the first part
  for (std::size_t p = 0; p < pieces.size(); ++p)
    for (const int n : pieces[p].nodes)
      out[static_cast<std::size_t>(n)] = part_of_piece[p];
  return out;
}

} // namespace troupe
