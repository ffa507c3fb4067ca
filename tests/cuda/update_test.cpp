#include "cuda/a_gpu.hpp"
#include "gpu/updates.hpp"

using namespace troupe;

TEST_CASE("an update on a GPU has the bits of the CPU") {
  const auto device = test::a_gpu();
  if (!device) return;
  for (const optimizer& rule : test::update_rules()) {
    INFO(text(rule));
    for (const std::size_t count : {1, 133, 1'000'003})
      CHECK(test::difference_of_updates(rule, count, device) == "");
  }
}

TEST_CASE("gradients are summed in place on a GPU, with the bits of the reduction tree") {
  const auto device = test::a_gpu();
  if (!device) return;
  for (const std::uint32_t leaves : {1U, 2U, 3U, 5U, 8U, 13U})
    CHECK(test::difference_of_sums(leaves, 100'003, device) == "");
}
