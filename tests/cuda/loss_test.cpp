#include "cuda/a_gpu.hpp"
#include "gpu/losses.hpp"

using namespace troupe;

TEST_CASE("losses on a GPU, their gradients and right predictions are the CPU's") {
  const auto device = test::a_gpu();
  if (!device) return;
  for (const auto& list : {test::loss_cases(), test::odd_rows()})
    for (const auto& c : list) {
      INFO(c.name);
      CHECK(test::difference(c, device) == "");
    }
}

TEST_CASE("a loss on a GPU has the same bits each time") {
  const auto device = test::a_gpu();
  if (!device) return;
  for (const auto& c : test::loss_cases()) {
    INFO(c.name);
    const auto evaluate = gpu::make_loss(device, shape{c.n, c.outputs});
    const test::device_values logits(device, c.logits), gradient(device, c.logits);
    const tensor targets = make_tensor(shape{std::ssize(c.targets)}, c.targets);
    const auto run = [&] { return evaluate(c.kind, targets, 3, logits.at(), gradient.at()).sum; };
    const double expected = run();
    const auto slopes = gradient.back();
    for (int again = 0; again < 3; ++again) {
      CHECK(run() == expected);
      CHECK(gradient.back() == slopes);
    }
  }
}
