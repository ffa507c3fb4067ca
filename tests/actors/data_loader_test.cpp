#include "actors/data_loader.hpp"

#include "ops/data/dataset.hpp"
#include "support/fake_context.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>

using namespace troupe;

namespace {

const address shard{.role = role_kind::layer_shard};

struct fixture {
  dataset_ptr data = load_data("synthetic:64", 3).train;
  test::fake_context world{{.role = role_kind::data_loader}};
  data_loader loader{
      world, {[this] {
        const augmentation shifted{.flip = true, .crop_padding = 2};
        auto reader = std::make_shared<microbatch_reader>(
            data, sampling{16, 4, true, false, 7}, shifted, softmax_cross_entropy{}, 10);
        return [reader](std::uint64_t step, std::uint32_t microbatch, bool images) {
          return reader->read(step, microbatch, images);
        };
      }}};

  protocol::batch read(std::uint64_t step, std::uint32_t microbatch) {
    loader.on(protocol::want_batch{step, microbatch, shard});
    REQUIRE(world.computations.size() == 1);
    for (const auto& m : world.run_one())
      loader.receive(m);
    return world.of<protocol::batch>().back();
  }
};

bool equal(const tensor& a, const tensor& b) {
  return std::equal(a.values().begin(), a.values().end(), b.values().begin(), b.values().end());
}

} // namespace

TEST_CASE("a loader that starts at any step reads the batch that its predecessor would") {
  fixture old;
  for (std::uint64_t step = 0; step < 9; ++step) // into the third epoch
    old.read(step, 1);
  fixture fresh;
  for (const std::uint64_t step : {8, 3, 0, 5}) {
    const auto a = fresh.read(step, 2), b = old.read(step, 2);
    CHECK(a.step == step);
    CHECK(a.microbatch == 2);
    CHECK(equal(a.data.inputs, b.data.inputs));
    CHECK(equal(a.data.targets, b.data.targets));
  }
  CHECK(!equal(fresh.read(3, 2).data.inputs, fresh.read(3, 1).data.inputs));
}

TEST_CASE("a loader reads one batch at a time and answers in the order of the questions") {
  fixture f;
  for (const std::uint32_t microbatch : {3U, 0U, 3U})
    f.loader.on(protocol::want_batch{2, microbatch, shard});
  for (int i = 0; i < 3; ++i) {
    REQUIRE(f.world.computations.size() == 1);
    for (const auto& m : f.world.run_one())
      f.loader.receive(m);
  }
  const auto answers = f.world.of<protocol::batch>();
  REQUIRE(answers.size() == 3);
  CHECK(answers[0].microbatch == 3);
  CHECK(answers[1].microbatch == 0);
  CHECK(equal(answers[0].data.inputs, answers[2].data.inputs)); // asked twice, answered twice
}
