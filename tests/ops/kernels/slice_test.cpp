// A model whose layers are sliced computes what the whole one does, but for the order of sums.
#include "ops/kernels/support.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>

namespace troupe::kernel_tests {

namespace {

// Relative to the largest value: single values near zero carry the rounding of large ones.
void check_close(std::span<const float> actual, std::span<const float> expected, double most) {
  REQUIRE(actual.size() == expected.size());
  double difference = 0, largest = 0;
  for (std::size_t i = 0; i < actual.size(); ++i) {
    difference = std::max(difference, std::abs(double{actual[i]} - expected[i]));
    largest = std::max(largest, std::abs(double{expected[i]}));
  }
  CHECK(difference <= most * largest + 1e-6);
}

void check_like_whole(const network& n, bool own_kernels) {
  INFO(n.name, " ", text(n.slices), own_kernels ? " with own kernels" : " through oneDNN alone");
  const graph g = build_graph(n.layers, n.input), cut = graph_of(n);
  const compile_options options{.microbatch = n.microbatch, .own_kernels = own_kernels};
  const auto p = compile_cpu(g, options), q = compile_cpu(cut, options);
  const microbatch_key key{5, 6, 7};
  const auto a = run_step(*p, n, g, pack(p->layout(), plain_parameters(n, g)), key);
  const auto b = run_step(*q, n, cut, pack(q->layout(), plain_parameters(n, cut)), key);
  check_close(b.output, a.output, 1e-5);
  CHECK(b.loss.sum == doctest::Approx(a.loss.sum).epsilon(1e-5));
  const auto wholes = whole_parameters(cut.parameters);
  REQUIRE(wholes.size() == g.parameters.size());
  for (std::size_t i = 0; i < wholes.size(); ++i) {
    INFO(wholes[i].spec.name);
    check_close(whole_values(q->layout(), wholes[i], b.gradients),
                plain_values(p->layout(), static_cast<int>(i), a.gradients),
                1e-4);
  }
}

std::vector<float> evaluated(const network& n, const graph& g, const parameter_layout* layout) {
  const auto p = compile_cpu(g, {.microbatch = n.microbatch, .training = false, .layout = layout});
  p->bind(pack(p->layout(), plain_parameters(n, g)));
  p->forward(input_of(n), {});
  return {p->output().begin(), p->output().end()};
}

network with_dropout() {
  return {"dropped",
          {3, 8, 8},
          4,
          sequential(conv2d{32, 3, 1, 1},
                     relu{},
                     dropout{0.3F},
                     conv2d{32, 3, 1, 1},
                     max_pool2d{},
                     dropout{0.5F},
                     flatten{},
                     dense{4}),
          {{"0", 2}, {"3", 2}}};
}

} // namespace

TEST_CASE("a sliced model computes what the whole one does") {
  auto all = sliced_networks();
  all.push_back(with_dropout());
  for (const network& n : all)
    for (const bool own : {false, true})
      check_like_whole(n, own);
}

TEST_CASE("a sliced model evaluates as the whole one, also with the layout of training") {
  for (const network& n : sliced_networks()) {
    INFO(n.name, " ", text(n.slices));
    const graph g = build_graph(n.layers, n.input), cut = graph_of(n);
    const auto trained = compile_cpu(cut, {.microbatch = n.microbatch});
    const auto expected = evaluated(n, g, nullptr);
    check_close(evaluated(n, cut, nullptr), expected, 1e-5);
    check_close(evaluated(n, cut, &trained->layout()), expected, 1e-5);
  }
}

TEST_CASE("a slice of whole blocks is computed by the kernels of the whole layer") {
  const auto count = [](const graph& g, const char* what, const char* which) {
    const auto all = compile_cpu(g, {.microbatch = 4})->profile();
    return std::count_if(all.begin(), all.end(), [&](const kernel_time& k) {
      return k.name.find(what) != std::string::npos && k.name.find(which) != std::string::npos;
    });
  };
  for (const network& n : sliced_networks()) {
    if (n.name != "small_lenet") continue;
    const graph g = build_graph(n.layers, n.input), cut = graph_of(n); // the second one into 3
    for (const char* what : {"forward [winograd", "weight gradient [winograd"})
      CHECK(count(cut, what, "3 conv2d") == 3 * count(g, what, "3 conv2d"));
    CHECK(count(cut, "max_pool2d gradient [fused", "4 relu") ==
          3 * count(g, "max_pool2d gradient [fused", "4 relu"));
    CHECK(count(cut, "slice 2 of 3", "3 conv2d") > 0);
  }
}

TEST_CASE("the slices of a layer are pieces that need nothing of each other") {
  for (const network& n : sliced_networks()) {
    INFO(n.name, " ", text(n.slices));
    const graph g = graph_of(n);
    const auto pieces = pieces_of(g, {.microbatch = n.microbatch});
    std::vector<int> group(pieces.size(), 0), each(pieces.size());
    std::iota(each.begin(), each.end(), 0);
    std::size_t slices = 0, wanted = 0;
    for (std::size_t p = 0; p < pieces.size(); ++p) {
      const bool goes_on = p > 0 && pieces[p].slices > 1 && pieces[p].slice > 0;
      if (goes_on) CHECK(pieces[p].slice == pieces[p - 1].slice + 1);
      group[p] = p == 0 ? 0 : group[p - 1] + (goes_on ? 0 : 1);
      slices += pieces[p].slices > 1 ? 1 : 0;
    }
    for (const slice& s : n.slices)
      wanted += static_cast<std::size_t>(s.slices);
    CHECK(slices == wanted);
    const auto p = compile_cpu(g, {.microbatch = n.microbatch, .part_of_piece = each});
    for (const crossing& c : p->crossings())
      CHECK(group[static_cast<std::size_t>(c.from)] != group[static_cast<std::size_t>(c.to)]);
  }
}

TEST_CASE("a slice hands on its own channels and gets its own gradient") {
  const network n{"wide", {8}, 4, sequential(dense{6}, dense{12}, dense{2}), {{"1", 3}}};
  const graph g = graph_of(n);
  const auto pieces = pieces_of(g, {.microbatch = 4});
  REQUIRE(pieces.size() == 6);
  CHECK(pieces[1].name == "1 dense, slice 1 of 3");
  CHECK(pieces[3].name == "1 dense, slice 3 of 3");
  CHECK(pieces[4].name == "1 concat");
  const auto p = compile_cpu(g, {.microbatch = 4, .part_of_piece = {0, 1, 2, 3, 4, 5}});
  const auto elements = [&](int from, int to, pass when) {
    std::int64_t out = 0;
    for (const crossing& c : p->crossings())
      if (c.from == from && c.to == to && c.written == when) out += c.elements;
    return out;
  };
  for (const int s : {1, 2, 3}) {
    CHECK(elements(0, s, pass::forward) == 4 * 6);
    CHECK(elements(s, 4, pass::forward) == 4 * 4);
    CHECK(elements(4, s, pass::backward) == 4 * 4);
    CHECK(elements(s, 0, pass::backward) == 4 * 6);
  }
}

} // namespace troupe::kernel_tests
