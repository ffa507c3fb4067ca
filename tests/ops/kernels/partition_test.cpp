#include "ops/error.hpp"
#include "ops/kernels/parts.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>
#include <utility>

namespace troupe::kernel_tests {

TEST_CASE("a model cut anywhere computes the bits of the whole") {
  for (const network& n : all_networks()) {
    const graph g = graph_of(n);
    const bits expected = whole(n, g, 0);
    const auto pieces = pieces_of(g, {.microbatch = n.microbatch});
    for (const auto& cut : cuts(static_cast<int>(pieces.size())))
      for (const bool split : {false, true}) {
        INFO(n.name,
             " ",
             text(n.slices),
             " into ",
             cut.back() + 1,
             ", first part ends at piece ",
             std::count(cut.begin(), cut.end(), 0),
             ", split ",
             split);
        parts_of_model parts(
            n, g, {.microbatch = n.microbatch, .part_of_piece = cut, .split_backward = split}, 1);
        CHECK(parts.run().front() == expected);
      }
  }
}

TEST_CASE("the slices of a layer may be parts in any order") {
  for (const network& n : sliced_networks()) {
    INFO(n.name, " ", text(n.slices));
    const graph g = graph_of(n);
    const auto pieces = pieces_of(g, {.microbatch = n.microbatch});
    std::vector<int> backwards(pieces.size());
    std::iota(backwards.begin(), backwards.end(), 0);
    for (std::size_t p = 0; p < pieces.size(); ++p)
      if (pieces[p].slices > 1) backwards[p] += pieces[p].slices - 1 - 2 * pieces[p].slice;
    parts_of_model parts(n, g, {.microbatch = n.microbatch, .part_of_piece = backwards}, 1);
    CHECK(parts.run().front() == whole(n, g, 0));
  }
}

TEST_CASE("microbatches in flight do not disturb each other") {
  for (const network& n : all_networks()) {
    const graph g = graph_of(n);
    const auto pieces = static_cast<int>(pieces_of(g, {.microbatch = n.microbatch}).size());
    for (const auto& cut :
         {cuts(pieces)[static_cast<std::size_t>(pieces) / 2 - 1], cuts(pieces).back()})
      for (const bool split : {false, true}) {
        INFO(n.name, " into ", cut.back() + 1, ", split ", split);
        parts_of_model parts(
            n, g, {.microbatch = n.microbatch, .part_of_piece = cut, .split_backward = split}, 3);
        const auto got = parts.run();
        for (int m = 0; m < 3; ++m)
          CHECK(got[static_cast<std::size_t>(m)] == whole(n, g, m));
      }
  }
}

TEST_CASE("blocks that are split hold the same values, gradients and digest") {
  int splits = 0;
  for (const network& n : all_networks()) {
    INFO(n.name);
    const graph g = graph_of(n);
    const auto plain = plain_parameters(n, g);
    const auto p = compile_cpu(g, {.microbatch = n.microbatch});
    const parameter_layout split = split_blocks(p->layout(), chunk_elements);
    const auto q = compile_cpu(g,
                               {.microbatch = n.microbatch,
                                .block_bytes_max = chunk_elements * std::int64_t{sizeof(float)}});
    CHECK(q->layout().blocks == split.blocks);
    splits += split.blocks.size() > p->layout().blocks.size() ? 1 : 0;
    const auto whole_blocks = pack(p->layout(), plain), split_blocks = pack(q->layout(), plain);
    CHECK(parameter_digest(p->layout(), whole_blocks) == parameter_digest(split, split_blocks));
    for (std::size_t i = 0; i < plain.size(); ++i)
      CHECK(plain_values(split, static_cast<int>(i), split_blocks) == plain[i]);
    const auto a = run_step(*p, n, g, whole_blocks), b = run_step(*q, n, g, split_blocks);
    CHECK(result_of(p->layout(), a.output, a.loss, a.gradients) ==
          result_of(q->layout(), b.output, b.loss, b.gradients));
  }
  CHECK(splits > 0);
}

TEST_CASE("the parts of a model share its parameters and their digest") {
  for (const network& n : all_networks()) {
    INFO(n.name);
    const graph g = graph_of(n);
    const auto plain = plain_parameters(n, g);
    const auto whole = compile_cpu(g, {.microbatch = n.microbatch});
    const auto pieces = pieces_of(g, {.microbatch = n.microbatch}).size();
    const auto part = compile_cpu(
        g, {.microbatch = n.microbatch, .part_of_piece = cuts(static_cast<int>(pieces)).back()});
    CHECK(parameter_digest(whole->layout(), pack(whole->layout(), plain)) ==
          parameter_digest(part->layout(), pack(part->layout(), plain)));
  }
}

TEST_CASE("pieces are the nodes of the model in order, each once") {
  for (const network& n : all_networks()) {
    const graph g = graph_of(n);
    std::vector<int> nodes;
    std::int64_t flops = 0, elements = 0;
    for (const piece& p : pieces_of(g, {.microbatch = n.microbatch})) {
      CHECK(!p.name.empty());
      nodes.insert(nodes.end(), p.nodes.begin(), p.nodes.end());
      flops += p.flops;
      elements += p.elements;
    }
    std::vector<int> expected(g.nodes.size() - 1);
    std::iota(expected.begin(), expected.end(), 1);
    std::sort(nodes.begin(), nodes.end());
    CHECK(nodes == expected);
    CHECK(flops == g.flops());
    std::int64_t all = 0;
    for (const auto& spec : g.parameters)
      all += spec.dims.elements();
    CHECK(elements == all);
  }
}

TEST_CASE("parts that are not numbered in the order of execution are refused") {
  const network n = with_dropout();
  const graph g = graph_of(n);
  std::vector<int> cut(pieces_of(g, {.microbatch = n.microbatch}).size(), 0);
  cut.front() = 1;
  CHECK_THROWS_AS(compile_cpu(g, {.microbatch = n.microbatch, .part_of_piece = cut}), error);
}

TEST_CASE("a sibling needs less memory than a program alone") {
  const network n = networks().back();
  const graph g = graph_of(n);
  const auto alone = compile_cpu(g, {.microbatch = n.microbatch});
  const auto first = compile_cpu(g, {.microbatch = n.microbatch, .has_siblings = true});
  const auto second =
      compile_cpu(g, {.microbatch = n.microbatch, .has_siblings = true, .sibling_of = first.get()});
  CHECK(second->memory_bytes() < alone->memory_bytes());
  CHECK(second->memory_bytes() < first->memory_bytes());
}

} // namespace troupe::kernel_tests
