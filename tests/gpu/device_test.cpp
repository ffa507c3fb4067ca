// What every device promises of its kernels, checked on the one that the host plays.
#include "gpu/device.hpp"

#include "gpu/halves.hpp"
#include "gpu/host_device.hpp"
#include "gpu/updates.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using test::device_values;
using test::host_device;

TEST_CASE("an update on a device has the bits of the CPU") {
  for (const optimizer& rule : test::update_rules()) {
    INFO(text(rule));
    for (const std::size_t count : {1, 133, 5000})
      CHECK(test::difference_of_updates(rule, count, std::make_shared<host_device>()) == "");
  }
}

TEST_CASE("gradients are summed in place on a device, with the bits of the reduction tree") {
  for (const std::uint32_t leaves : {1U, 2U, 3U, 5U, 8U, 13U})
    CHECK(test::difference_of_sums(leaves, 133, std::make_shared<host_device>()) == "");
}

TEST_CASE("halves on a device have the bits of the codecs fp16 and bf16") {
  for (const std::size_t count : {1, 2, 133, 65'536}) {
    const auto device = std::make_shared<host_device>();
    CHECK(test::difference_of_halves<fp16>(gpu::half_format::fp16, count, device) == "");
    CHECK(test::difference_of_halves<bf16>(gpu::half_format::bf16, count, device) == "");
  }
}

TEST_CASE("halves are refused what does not lie on the device, and fail with it") {
  const auto device = std::make_shared<host_device>();
  const device_values floats(device, {1, 2, 3}), halves(device, {0, 0}), one(device, {0});
  std::vector<float> of_the_host(3);
  constexpr auto format = gpu::half_format::fp16;
  CHECK_THROWS_AS(device->encode_halves(format, of_the_host.data(), halves.at(), 3),
                  std::logic_error);
  CHECK_THROWS_AS(device->encode_halves(format, floats.at(), one.at(), 3), std::logic_error);
  CHECK_THROWS_AS(device->decode_halves(format, halves.at(), of_the_host.data(), 3),
                  std::logic_error);
  device->fail_at(0);
  CHECK_THROWS_AS(device->encode_halves(format, floats.at(), halves.at(), 3), std::runtime_error);
}

TEST_CASE("an update is refused what does not lie on the device, and fails with it") {
  const auto device = std::make_shared<host_device>();
  const device_values a(device, {1, 2}), b(device, {1, 2}), c(device, {0, 0}), d(device, {0, 0}),
      e(device, {0, 0});
  std::vector<float> of_the_host(2);
  const gpu::update_range good{a.at(), b.at(), c.at(), {d.at(), e.at()}, 2};
  const auto refuses = [&](const optimizer& rule, auto change) {
    gpu::update_range range = good;
    change(range);
    CHECK_THROWS_AS(device->update(rule, 0.1F, 0, range), std::logic_error);
  };
  float* const foreign = of_the_host.data();
  refuses(sgd{}, [&](gpu::update_range& r) { r.parameters = foreign; });
  refuses(sgd{}, [&](gpu::update_range& r) { r.gradient = foreign; });
  refuses(sgd{}, [&](gpu::update_range& r) { r.new_parameters = foreign; });
  refuses(sgd{}, [&](gpu::update_range& r) { r.new_parameters = a.at(); });
  refuses(sgd{}, [&](gpu::update_range& r) { r.count = 3; });
  refuses(sgd{.momentum = 0.9F}, [&](gpu::update_range& r) { r.state[0] = foreign; });
  refuses(adam{}, [&](gpu::update_range& r) { r.state[1] = foreign; });
  refuses(adamw{}, [&](gpu::update_range& r) { r.state[1] = nullptr; });
  device->fail_at(0);
  CHECK_THROWS_AS(device->update(adam{}, 0.1F, 0, good), std::runtime_error);
  CHECK(c.back() == std::vector<float>{0, 0});
}
