#include "gpu/halves.hpp"

#include "cuda/a_gpu.hpp"

using namespace troupe;

TEST_CASE("halves on a GPU have the bits of the codecs fp16 and bf16") {
  const auto device = test::a_gpu();
  if (!device) return;
  for (const std::size_t count : {1, 2, 133, 65'536}) {
    CHECK(test::difference_of_halves<fp16>(gpu::half_format::fp16, count, device) == "");
    CHECK(test::difference_of_halves<bf16>(gpu::half_format::bf16, count, device) == "");
  }
}
