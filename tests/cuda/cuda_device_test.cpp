// Programs on the GPUs of this machine.
#include "cuda/a_gpu.hpp"
#include "gpu/compile.hpp"
#include "gpu/device_values.hpp"
#include "gpu/parity.hpp"
#include "ops/random.hpp"
#include "support/error_of.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <thread>

using namespace troupe;
using namespace troupe::kernel_tests;
using test::a_gpu;
using test::device_values;

namespace {

compiler on(const std::shared_ptr<gpu::device>& device) {
  return [device](const graph& g, const compile_options& o) { return gpu::compile(device, g, o); };
}

} // namespace

TEST_CASE("where there is no GPU, opening one says why, and what to do") {
  if (gpu::why_no_cuda_device().empty()) {
    CHECK(!gpu::cuda_devices().empty());
    CHECK(test::error_of([] {
            (void)gpu::open_device("cuda:1000");
          }).find("there is no GPU 1000") != std::string::npos);
    return;
  }
  CHECK(gpu::cuda_devices().empty());
  const std::string text = test::error_of([] { (void)gpu::open_device("cuda:0"); });
  CHECK(text.find("GPU 0 cannot be used") != std::string::npos);
  CHECK(text.find(gpu::why_no_cuda_device()) != std::string::npos);
  CHECK(text.find("help: ") != std::string::npos);
}

TEST_CASE("a GPU computes what the CPU does, layer by layer") {
  const auto device = a_gpu();
  if (!device) return;
  auto all = networks();
  for (network& n : sliced_networks())
    all.push_back(std::move(n));
  all.push_back(flat_dropout());
  for (const network& n : all) {
    INFO(n.name, " ", text(n.slices));
    const graph g = graph_of(n);
    CHECK(difference(whole(n, g, 3), whole(n, g, 3, on(device))) == "");
  }
}

TEST_CASE("a GPU gives the same bits each time, and whatever part of the model it has") {
  const auto device = a_gpu();
  if (!device) return;
  for (const network& n : all_networks()) {
    INFO(n.name, " ", text(n.slices));
    const graph g = graph_of(n);
    const bits expected = whole(n, g, 0, on(device));
    for (int again = 0; again < 3; ++again)
      CHECK(whole(n, g, 0, on(device)) == expected);
    const auto pieces = gpu::pieces_of(device, g, {.microbatch = n.microbatch});
    const auto cut = cuts(static_cast<int>(pieces.size())).back();
    for (const bool split : {false, true}) {
      parts_of_model parts(
          n,
          g,
          {.microbatch = n.microbatch, .part_of_piece = cut, .split_backward = split},
          2,
          on(device));
      CHECK(parts.run().front() == expected);
    }
  }
}

TEST_CASE("a GPU evaluates with the running statistics") {
  const auto device = a_gpu();
  if (!device) return;
  for (const network& n : networks()) {
    INFO(n.name);
    const graph g = graph_of(n);
    const auto output = [&](program& p) {
      p.bind(pack(p.layout(), plain_parameters(n, g)));
      p.forward(input_of(n), {1, 2, 3});
      return bits{{p.output().begin(), p.output().end()}};
    };
    const compile_options how{.microbatch = n.microbatch, .training = false};
    CHECK(difference(output(*compile_cpu(g, how)), output(*gpu::compile(device, g, how))) == "");
  }
}

TEST_CASE("a GPU drops what the CPU drops") {
  const auto device = a_gpu();
  if (!device) return;
  for (const std::int64_t count : {1, 3, 4, 1000, 100'003}) {
    const device_values mask(device, std::vector<float>(static_cast<std::size_t>(count)));
    const random_key key{7, random_purpose::dropout, 1ULL << 40, 9};
    device->draw_mask(key, 0.25F, mask.at(), count);
    const auto got = mask.back();
    std::int64_t wrong = 0;
    for (std::size_t i = 0; i < got.size(); ++i) {
      const bool kept = philox(key, i / 4)[i % 4] >= std::uint32_t{1} << 30;
      wrong += got[i] != (kept ? 1.0F / 0.75F : 0.0F) ? 1 : 0;
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("memory that a GPU has not got is an error that says how much it has") {
  const auto device = a_gpu();
  if (!device) return;
  const std::string text = test::error_of([&] { (void)device->allocate(std::size_t{1} << 50); });
  CHECK(text.find("has no room for 1048576.0 GiB") != std::string::npos);
  CHECK(text.find("are free") != std::string::npos);
  const device_values fine(device, {1, 2, 3}); // the device goes on
  CHECK(fine.back() == std::vector<float>{1, 2, 3});
}

TEST_CASE("several devices of one GPU work at the same time, each on its thread") {
  if (!a_gpu()) return;
  const network n = named("small_lenet");
  const graph g = graph_of(n);
  const bits expected = whole(n, g, 0, on(gpu::open_device("cuda:0")));
  std::vector<bits> got(4);
  std::vector<std::thread> threads;
  for (bits& mine : got)
    threads.emplace_back([&] {
      const std::shared_ptr<gpu::device> own = gpu::open_device("cuda:0");
      for (int i = 0; i < 20; ++i)
        mine = whole(n, g, 0, on(own));
    });
  for (std::thread& t : threads)
    t.join();
  for (const bits& one : got)
    CHECK(one == expected);
}

TEST_CASE("values that are larger than the ring through which they go arrive whole") {
  const auto device = a_gpu();
  if (!device) return;
  std::vector<float> many(5'000'001);
  for (std::size_t i = 0; i < many.size(); ++i)
    many[i] = static_cast<float>(i % 1'000'003);
  const device_values there(device, many);
  CHECK(there.back() == many);
}
