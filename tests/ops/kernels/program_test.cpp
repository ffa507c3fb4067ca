#include "ops/kernels/support.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <set>
#include <thread>
#include <utility>

using namespace troupe;
using namespace troupe::kernel_tests;

namespace {

network residual_network() {
  for (network& n : networks()) {
    if (n.name == "residuals") return n;
  }
  return {};
}

bool equal_bits(const tensor& a, const tensor& b) {
  return a.dims() == b.dims() && std::memcmp(a.data(), b.data(), a.bytes()) == 0;
}

bool equal_bits(const step_result& a, const step_result& b) {
  return a.loss.sum == b.loss.sum && a.output == b.output &&
         std::equal(a.gradients.begin(),
                    a.gradients.end(),
                    b.gradients.begin(),
                    b.gradients.end(),
                    [](const tensor& x, const tensor& y) { return equal_bits(x, y); });
}

step_result compile_and_run(const network& n, const graph& g) {
  const auto p = compile_cpu(g, {.microbatch = n.microbatch, .block_bytes_min = 4096});
  return run_step(*p, n, g, pack(p->layout(), plain_parameters(n, g)), {1, 2, 3});
}

double loss_at(program& p,
               const network& n,
               const graph& g,
               const std::vector<std::vector<float>>& plain) {
  return run_step(p, n, g, pack(p.layout(), plain), {5, 6, 7}).loss.sum /
         static_cast<double>(n.microbatch);
}

// Along a random direction, so that one number checks all gradients of a parameter.
void check_finite_differences(const network& n) {
  INFO(n.name, " ", text(n.slices));
  const graph g = graph_of(n);
  const auto p = compile_cpu(g, {.microbatch = n.microbatch});
  const auto plain = plain_parameters(n, g);
  const step_result r = run_step(*p, n, g, pack(p->layout(), plain), {5, 6, 7});
  for (std::size_t i = 0; i < plain.size(); ++i) {
    if (g.parameters[i].kind != parameter_kind::trainable) continue;
    INFO(g.parameters[i].name);
    const auto gradient = plain_values(p->layout(), static_cast<int>(i), r.gradients);
    double norm = 0;
    for (float v : gradient)
      norm += static_cast<double>(v) * v;
    norm = std::sqrt(norm);
    if (norm < 1e-3) // e.g. a bias before batch norm: its gradient is rounding
      continue;
    // The gradient itself is the direction in which the difference is largest against rounding.
    const double step = 2e-3 / std::max(norm, 1.0);
    auto moved = [&](double sign) {
      auto copy = plain;
      for (std::size_t j = 0; j < gradient.size(); ++j)
        copy[i][j] += static_cast<float>(sign * step * gradient[j] / norm);
      return loss_at(*p, n, g, copy);
    };
    const double slope = (moved(1) - moved(-1)) / (2 * step);
    CHECK(slope == doctest::Approx(norm).epsilon(0.05));
  }
}

} // namespace

TEST_CASE("gradients are the slopes of the loss, for every layer") {
  auto all = networks();
  for (network& n : sliced_networks())
    all.push_back(std::move(n));
  for (const network& n : all) {
    const bool kinks = n.name == "convolutions" || n.name == "small_vgg" ||
                       n.name == "small_lenet" || n.name == "small_cnn" || n.name == "residuals" ||
                       n.name == "batch_norms";
    if (!kinks) // relu and maximum have no slope where a step crosses a kink: reference_test has
                // those
      check_finite_differences(n);
  }
  check_finite_differences(
      {"dropped", {12}, 9, sequential(dense{16}, tanh_activation{}, dropout{0.4F}, dense{4})});
  check_finite_differences(
      {"dropped_image",
       {2, 6, 6},
       5,
       sequential(conv2d{16, 3, 1, 1}, sigmoid{}, dropout{0.3F}, flatten{}, dense{3})});
}

TEST_CASE("the same step gives the same bits, again and in another program") {
  const network n = residual_network();
  const graph g = build_graph(n.layers, n.input);
  const step_result first = compile_and_run(n, g);
  CHECK(equal_bits(first, compile_and_run(n, g)));
  const auto p = compile_cpu(g, {.microbatch = n.microbatch, .block_bytes_min = 4096});
  const auto parameters = pack(p->layout(), plain_parameters(n, g));
  for (int i = 0; i < 3; ++i)
    CHECK(equal_bits(first, run_step(*p, n, g, parameters, {1, 2, 3})));
}

TEST_CASE("two threads that compile and run at once get the bits of one") {
  for (const network& n : networks()) {
    INFO(n.name);
    const graph g = build_graph(n.layers, n.input);
    const step_result alone = compile_and_run(n, g);
    std::array<step_result, 2> results;
    {
      std::jthread a([&] { results[0] = compile_and_run(n, g); });
      std::jthread b([&] { results[1] = compile_and_run(n, g); });
    }
    CHECK(equal_bits(alone, results[0]));
    CHECK(equal_bits(alone, results[1]));
  }
}

TEST_CASE("a program may be compiled on one thread and run on another") {
  const network n = residual_network();
  const graph g = build_graph(n.layers, n.input);
  const step_result here = compile_and_run(n, g);
  const auto p = compile_cpu(g, {.microbatch = n.microbatch, .block_bytes_min = 4096});
  const auto parameters = pack(p->layout(), plain_parameters(n, g));
  step_result there;
  std::jthread([&] { there = run_step(*p, n, g, parameters, {1, 2, 3}); }).join();
  CHECK(equal_bits(here, there));
}

TEST_CASE("own kernels agree with oneDNN") {
  for (const network& n : networks()) {
    INFO(n.name);
    const graph g = build_graph(n.layers, n.input);
    const auto plain = plain_parameters(n, g);
    const auto own = compile_cpu(g, {.microbatch = n.microbatch});
    const auto other = compile_cpu(g, {.microbatch = n.microbatch, .own_kernels = false});
    const step_result a = run_step(*own, n, g, pack(own->layout(), plain));
    const step_result b = run_step(*other, n, g, pack(other->layout(), plain));
    for (std::size_t i = 0; i < plain.size(); ++i) {
      INFO(g.parameters[i].name);
      const auto x = plain_values(own->layout(), static_cast<int>(i), a.gradients);
      const auto y = plain_values(other->layout(), static_cast<int>(i), b.gradients);
      double difference = 0, norm = 0;
      for (std::size_t j = 0; j < x.size(); ++j) {
        difference += std::pow(static_cast<double>(x[j]) - y[j], 2);
        norm += std::pow(static_cast<double>(y[j]), 2);
      }
      CHECK(std::sqrt(difference) <= 1e-4 * std::sqrt(norm) + 1e-6);
    }
  }
}

TEST_CASE("blocks complete from the back of the network") {
  const network n = residual_network();
  const graph g = build_graph(n.layers, n.input);
  const auto p = compile_cpu(g, {.microbatch = n.microbatch, .block_bytes_min = 8192});
  const parameter_layout& layout = p->layout();
  REQUIRE(layout.blocks.size() >= 3);
  for (const placed_parameter& place : layout.places) {
    const block_extent& block = layout.blocks[static_cast<std::size_t>(place.block)];
    CHECK(place.offset % 16 == 0);
    CHECK(place.offset + place.size <= block.size);
  }
  for (std::size_t i = 0; i < layout.places.size(); ++i) {
    const auto& place = layout.places[i];
    const std::int64_t trainable = layout.blocks[static_cast<std::size_t>(place.block)].trainable;
    CHECK((place.offset >= trainable) == (layout.specs[i].kind == parameter_kind::statistic));
  }
  p->bind(pack(layout, plain_parameters(n, g)));
  p->forward(input_of(n), {});
  p->compute_loss(softmax_cross_entropy{}, labels_of(n, 4), 1);
  collected sink(layout.blocks.size());
  p->backward(sink);
  REQUIRE(sink.order.size() == layout.blocks.size());
  CHECK(std::is_sorted(sink.order.begin(), sink.order.end()));
}

TEST_CASE("padding of gradients is zero, also in recycled buffers") {
  const network n = residual_network();
  const graph g = build_graph(n.layers, n.input);
  const auto p = compile_cpu(g, {.microbatch = n.microbatch, .block_bytes_min = 1 << 20});
  const auto parameters = pack(p->layout(), plain_parameters(n, g));
  for (const block_extent& block : p->layout().blocks) { // what the pool hands out next
    mutable_tensor dirty = buffer_pool::global().take(shape{block.size});
    std::fill(dirty.values().begin(), dirty.values().end(), 7.0F);
  }
  const step_result r = run_step(*p, n, g, parameters);
  // What survives a round trip through PyTorch's order is everything but padding.
  std::vector<std::vector<float>> plain;
  for (std::size_t i = 0; i < g.parameters.size(); ++i)
    plain.push_back(plain_values(p->layout(), static_cast<int>(i), r.gradients));
  const auto again = pack(p->layout(), plain);
  for (std::size_t i = 0; i < again.size(); ++i)
    CHECK(equal_bits(again[i], r.gradients[i]));
}

TEST_CASE("a cancelled program returns early and hands over nothing") {
  const network n = residual_network();
  const graph g = build_graph(n.layers, n.input);
  const auto p = compile_cpu(g, {.microbatch = n.microbatch});
  const auto parameters = pack(p->layout(), plain_parameters(n, g));
  const step_result before = run_step(*p, n, g, parameters);
  std::atomic<bool> cancel{true};
  p->cancel_when(&cancel);
  p->forward(input_of(n), {});
  collected sink(p->layout().blocks.size());
  p->backward(sink);
  CHECK(sink.order.empty());
  cancel = false;
  CHECK(equal_bits(before, run_step(*p, n, g, parameters)));
}

TEST_CASE("dropout follows its key") {
  const network n{"dropped", {64}, 32, sequential(dense{64}, dropout{0.5F}, dense{4})};
  const graph g = build_graph(n.layers, n.input);
  const auto p = compile_cpu(g, {.microbatch = n.microbatch});
  const auto parameters = pack(p->layout(), plain_parameters(n, g));
  const auto output = [&](const microbatch_key& key) {
    return run_step(*p, n, g, parameters, key).output;
  };
  CHECK(output({1, 1, 0}) == output({1, 1, 0}));
  CHECK(output({1, 1, 0}) != output({1, 1, 1}));
  CHECK(output({1, 1, 0}) != output({1, 2, 0}));
  CHECK(output({1, 1, 0}) != output({2, 1, 0}));
}

TEST_CASE("steps allocate no buffers once gradients are recycled") {
  const network n = residual_network();
  const graph g = build_graph(n.layers, n.input);
  const auto p = compile_cpu(g, {.microbatch = n.microbatch});
  const auto parameters = pack(p->layout(), plain_parameters(n, g));
  run_step(*p, n, g, parameters);
  const tensor input = input_of(n), labels = labels_of(n, 4);
  const std::uint64_t before = buffer_pool::global().allocations();
  for (int i = 0; i < 3; ++i) {
    p->forward(input, {});
    p->compute_loss(softmax_cross_entropy{}, labels, 1);
    collected sink(p->layout().blocks.size());
    p->backward(sink);
  }
  CHECK(buffer_pool::global().allocations() == before);
}

TEST_CASE("an evaluation program reads any layout") {
  for (const network& n : networks()) {
    INFO(n.name);
    const graph g = build_graph(n.layers, n.input);
    const auto plain = plain_parameters(n, g);
    const auto trained = compile_cpu(g, {.microbatch = n.microbatch});
    const auto evaluate = [&](const parameter_layout* layout) {
      const auto p = compile_cpu(
          g,
          {.microbatch = n.microbatch, .training = false, .layout = layout, .own_kernels = false});
      p->bind(pack(p->layout(), plain));
      p->forward(input_of(n), {});
      return std::vector<float>(p->output().begin(), p->output().end());
    };
    CHECK(evaluate(nullptr) == evaluate(&trained->layout()));
  }
}

TEST_CASE("profiles name every kernel") {
  const network n = residual_network();
  const graph g = build_graph(n.layers, n.input);
  const auto p = compile_cpu(g, {.microbatch = n.microbatch});
  p->profile(true);
  run_step(*p, n, g, pack(p->layout(), plain_parameters(n, g)));
  double seconds = 0;
  for (const kernel_time& k : p->profile()) {
    CHECK(!k.name.empty());
    seconds += k.seconds;
  }
  CHECK(seconds > 0);
}

TEST_CASE("a profile tells each kernel's piece, and the weights' part of backward") {
  const network n = residual_network();
  const graph g = build_graph(n.layers, n.input);
  const auto pieces = pieces_of(g, {.microbatch = n.microbatch});
  const auto p = compile_cpu(g, {.microbatch = n.microbatch});
  std::set<std::pair<int, kernel_phase>> seen;
  for (const kernel_time& k : p->profile()) {
    CHECK((k.piece >= 0 && k.piece < static_cast<int>(pieces.size())));
    seen.emplace(k.piece, k.phase);
  }
  for (std::size_t i = 0; i < pieces.size(); ++i)
    if (pieces[i].flops > 0) { // a convolution or a dense layer
      const auto has = [&](kernel_phase phase) {
        return seen.contains({static_cast<int>(i), phase});
      };
      CHECK(has(kernel_phase::forward));
      CHECK(has(kernel_phase::backward_weights));
      CHECK(has(kernel_phase::backward_inputs) == (i > 0));
    }
}

TEST_CASE("batch norm refuses a single value per channel") {
  const graph g = build_graph(sequential(dense{4}, batch_norm{}), {3});
  CHECK_THROWS(compile_cpu(g, {.microbatch = 1}));
  CHECK_NOTHROW(compile_cpu(g, {.microbatch = 1, .training = false}));
}
