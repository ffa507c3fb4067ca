#include "gpu/loss.hpp"

#include "gpu/compile.hpp"
#include "gpu/host_device.hpp"
#include "gpu/losses.hpp"
#include "gpu/parity.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using namespace troupe::kernel_tests;
using test::device_values;
using test::host_device;

TEST_CASE("losses on a device, their gradients and right predictions are the CPU's") {
  for (const auto& list : {test::loss_cases(), test::odd_rows()})
    for (const auto& c : list) {
      INFO(c.name);
      CHECK(test::difference(c, std::make_shared<host_device>()) == "");
    }
}

TEST_CASE("the loss is evaluated where the output lies: two numbers for each row come back") {
  const network n = named("small_lenet");
  const graph g = graph_of(n);
  for (const bool training : {true, false}) {
    CAPTURE(training);
    const auto device = std::make_shared<host_device>();
    const compile_options how{.microbatch = n.microbatch, .training = training};
    const auto here = gpu::compile(device, g, how), there = compile_cpu(g, how);
    for (program* p : {here.get(), there.get()}) {
      p->bind(pack(p->layout(), plain_parameters(n, g)));
      p->forward(input_of(n), {});
    }
    const std::int64_t before = device->floats_downloaded();
    const auto labels = labels_of(n, g.output().elements());
    const auto got = here->compute_loss(softmax_cross_entropy{}, labels, 3);
    CHECK(device->floats_downloaded() - before == 4 * n.microbatch);
    const auto expected = there->compute_loss(softmax_cross_entropy{}, labels, 3);
    CHECK(got.sum == doctest::Approx(expected.sum).epsilon(1e-5));
    CHECK(got.correct == expected.correct);
    const auto output = here->output();
    CHECK(difference({{there->output().begin(), there->output().end()}},
                     {{output.begin(), output.end()}}) == "");
  }
}

TEST_CASE("class weights go to a device when they are new, targets each time") {
  const auto device = std::make_shared<host_device>();
  const auto evaluate = gpu::make_loss(device, shape{1, 2});
  const device_values logits(device, {0, 0});
  const tensor label = make_tensor(shape{1}, std::vector<float>{1});
  const double plain = evaluate(softmax_cross_entropy{}, label, 1, logits.at(), nullptr).sum;
  const int before = device->uploads();
  for (const float weight : {2.0F, 2.0F, 3.0F}) {
    const softmax_cross_entropy l{.class_weights = {1, weight}};
    CHECK(evaluate(l, label, 1, logits.at(), nullptr).sum == doctest::Approx(weight * plain));
  }
  CHECK(device->uploads() == before + 3 + 2);
  CHECK(evaluate(softmax_cross_entropy{}, label, 1, logits.at(), nullptr).sum == plain);
}

TEST_CASE("a loss is refused what does not lie on the device, and fails with it") {
  const auto device = std::make_shared<host_device>();
  const auto evaluate = gpu::make_loss(device, shape{2, 2});
  const device_values logits(device, {0, 0, 0, 0}), short_one(device, {0, 0});
  std::vector<float> of_the_host(4);
  const tensor targets = make_tensor(shape{4}, std::vector<float>(4));
  const auto with = [&](const float* z, float* dz) {
    return evaluate(mean_squared_error{}, targets, 1, z, dz);
  };
  CHECK_THROWS_AS(with(of_the_host.data(), nullptr), std::logic_error);
  CHECK_THROWS_AS(with(logits.at(), of_the_host.data()), std::logic_error);
  CHECK_THROWS_AS(with(short_one.at(), nullptr), std::logic_error);
  CHECK(with(logits.at(), nullptr).sum == 0);
  device->fail_at(0);
  CHECK_THROWS_AS(with(logits.at(), nullptr), std::runtime_error);
}
