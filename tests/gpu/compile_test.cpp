// Programs for a GPU, played by a device without one: what they compute is what the CPU computes,
// and kernels see nothing but the memory of the device.
#include "gpu/compile.hpp"

#include "gpu/host_device.hpp"
#include "gpu/parity.hpp"
#include "ops/error.hpp"
#include "support/error_of.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using namespace troupe::kernel_tests;
using troupe::test::host_device;

namespace {

compiler on(const std::shared_ptr<host_device>& device) {
  return [device](const graph& g, const compile_options& o) { return gpu::compile(device, g, o); };
}

} // namespace

TEST_CASE("a program for a GPU computes what one for the CPU does") {
  auto all = networks();
  for (network& n : sliced_networks())
    all.push_back(std::move(n));
  all.push_back(flat_dropout()); // flat values lie alike, so the same ones are dropped
  for (const network& n : all) {
    INFO(n.name, " ", text(n.slices));
    const graph g = graph_of(n);
    CHECK(difference(whole(n, g, 3), whole(n, g, 3, on(std::make_shared<host_device>()))) == "");
  }
}

TEST_CASE("evaluation on a GPU uses the running statistics and drops nothing") {
  for (const network& n : all_networks()) {
    INFO(n.name, " ", text(n.slices));
    const graph g = graph_of(n);
    const auto device = std::make_shared<host_device>();
    const auto training = gpu::compile(device, g, {.microbatch = n.microbatch});
    const auto output = [&](program& p) {
      p.bind(pack(p.layout(), plain_parameters(n, g)));
      p.forward(input_of(n), {1, 2, 3});
      return bits{{p.output().begin(), p.output().end()}};
    };
    const auto here = gpu::compile(
        device, g, {.microbatch = n.microbatch, .training = false, .layout = &training->layout()});
    const auto there = compile_cpu(g, {.microbatch = n.microbatch, .training = false});
    CHECK(difference(output(*there), output(*here)) == "");
  }
}

TEST_CASE("a model cut anywhere computes the bits of the whole on GPUs, one for each part") {
  for (const network& n : all_networks()) {
    const graph g = graph_of(n);
    const auto compile = on(std::make_shared<host_device>());
    const auto other_device = [](const graph& m, const compile_options& o) {
      static std::vector<std::shared_ptr<host_device>> devices(64);
      auto& mine = devices[static_cast<std::size_t>(o.part)];
      if (!mine) mine = std::make_shared<host_device>();
      return gpu::compile(mine, m, o);
    };
    const bits expected = whole(n, g, 0, compile);
    const auto pieces =
        gpu::pieces_of(std::make_shared<host_device>(), g, {.microbatch = n.microbatch});
    const auto all = cuts(static_cast<int>(pieces.size()));
    for (const auto& cut : {all[all.size() / 2], all.back()})
      for (const bool split : {false, true}) {
        INFO(n.name, " ", text(n.slices), " into ", cut.back() + 1, ", split ", split);
        parts_of_model parts(
            n,
            g,
            {.microbatch = n.microbatch, .part_of_piece = cut, .split_backward = split},
            2,
            other_device);
        const auto got = parts.run();
        CHECK(got[0] == expected);
        CHECK(got[1] == whole(n, g, 1, compile));
      }
  }
}

TEST_CASE("parts of one model on the CPU and on GPUs compute what the whole does") {
  for (const network& n : all_networks()) {
    if (n.name == "dropped") continue; // images lie otherwise on a CPU, so others are dropped
    const graph g = graph_of(n);
    const auto pieces = pieces_of(g, {.microbatch = n.microbatch});
    const auto all = cuts(static_cast<int>(pieces.size()));
    const auto device = std::make_shared<host_device>();
    const auto row_major = [](const graph& m, compile_options o) {
      o.row_major = true;
      return compile_cpu(m, o);
    };
    const bits expected = whole(n, g, 0), on_cpu = whole(n, g, 0, row_major);
    CHECK(difference(expected, on_cpu) == "");
    for (const auto& cut : all)
      for (const int on_gpu : {0, 1, 2}) { // which parts: none, odd ones, even ones
        INFO(n.name, " ", text(n.slices), " into ", cut.back() + 1, ", on GPUs ", on_gpu);
        std::vector<crossing> crossings;
        const auto mixed = [&](const graph& m, const compile_options& o) {
          auto out =
              on_gpu > 0 && o.part % 2 == on_gpu % 2 ? gpu::compile(device, m, o) : row_major(m, o);
          if (o.part == 0) crossings = out->crossings();
          CHECK(out->crossings() == crossings);
          CHECK(out->layout().blocks == row_major(m, o)->layout().blocks);
          return out;
        };
        parts_of_model parts(
            n,
            g,
            {.microbatch = n.microbatch, .part_of_node = part_of_node(g, pieces, cut)},
            1,
            mixed);
        const auto got = parts.run();
        CHECK(difference(expected, got[0]) == "");
        if (on_gpu == 0) CHECK(got[0] == on_cpu);
      }
  }
}

TEST_CASE("blocks that are split are one piece of memory on a GPU") {
  const network n = named("small_lenet");
  const graph g = graph_of(n);
  const auto device = std::make_shared<host_device>();
  const auto split =
      gpu::compile(device, g, {.microbatch = n.microbatch, .block_bytes_max = chunk_elements * 4});
  const auto r =
      run_step(*split, n, g, pack(split->layout(), plain_parameters(n, g)), parts_of_model::key(0));
  CHECK(result_of(split->layout(), r.output, r.loss, r.gradients) == whole(n, g, 0, on(device)));
}

TEST_CASE("parameters are copied to a GPU once per bind, not per microbatch") {
  const network n = named("small_lenet");
  const graph g = graph_of(n);
  const auto device = std::make_shared<host_device>();
  const auto p = gpu::compile(device, g, {.microbatch = n.microbatch, .training = false});
  p->bind(pack(p->layout(), plain_parameters(n, g)));
  const int bound = device->uploads();
  for (int i = 0; i < 3; ++i)
    p->forward(input_of(n), {});
  CHECK(device->uploads() == bound + 3); // the batches
}

TEST_CASE("a GPU that fails at any call leaves no memory behind, and another one goes on") {
  const network n = named("residuals");
  const graph g = graph_of(n);
  const bits expected = whole(n, g, 0, on(std::make_shared<host_device>()));
  int failures = 0;
  for (int call = 0; call < 400; call += 7) {
    const auto device = std::make_shared<host_device>();
    device->fail_at(call);
    try {
      const bits got = whole(n, g, 0, on(device));
      CHECK(got == expected);
    } catch (const std::runtime_error& e) {
      CHECK(std::string(e.what()) == "the device is lost");
      ++failures;
    }
    CHECK(device->bytes_in_use() == 0);
  }
  CHECK(failures > 10);
}

TEST_CASE("a program for a GPU returns early when it is cancelled") {
  const network n = named("residuals");
  const graph g = graph_of(n);
  const auto device = std::make_shared<host_device>();
  const auto p = gpu::compile(device, g, {.microbatch = n.microbatch});
  p->bind(pack(p->layout(), plain_parameters(n, g)));
  const std::atomic<bool> cancelled{true};
  p->cancel_when(&cancelled);
  device->fail_at(0); // nothing may be run
  p->forward(input_of(n), {});
}

TEST_CASE("what cannot be compiled for a GPU is refused with a cure") {
  const auto device = std::make_shared<host_device>();
  const auto compile = [&](const network& n, compile_options o) {
    o.microbatch = n.microbatch;
    return gpu::compile(device, graph_of(n), o);
  };
  CHECK(test::error_of([&] {
          compile({"nothing", {4}, 2, sequential(flatten{})}, {});
        }).find("a model without layers cannot be compiled for a GPU") != std::string::npos);
  const network flat{"flat", {4}, 1, sequential(dense{3}, batch_norm{}, dense{2})};
  CHECK(test::error_of([&] { compile(flat, {}); }).find("use microbatches of at least 2 samples") !=
        std::string::npos);
  const network n = named("residuals");
  const auto cpu = compile_cpu(graph_of(n), {.microbatch = n.microbatch});
  CHECK(test::error_of([&] {
          compile(n, {.training = false, .layout = &cpu->layout()});
        }).find("train and evaluate on devices of one kind") != std::string::npos);
}
