#include "ops/data/sampler.hpp"

#include "support/error_of.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>

using namespace troupe;
using namespace troupe::test;

namespace {

dataset_ptr data_of(std::int64_t n, int classes = 10) {
  return std::make_shared<const dataset>(synthetic(n, shape{1, 6, 6}, classes, 1));
}

microbatch_reader reader_of(dataset_ptr data,
                            const sampling& s,
                            const augmentation& a = {},
                            const loss& l = softmax_cross_entropy{}) {
  return {std::move(data), s, a, l, 10};
}

bool same(const tensor& a, const tensor& b) {
  return a.dims() == b.dims() && std::memcmp(a.data(), b.data(), a.bytes()) == 0;
}

const augmentation everything{.flip = true, .crop_padding = 2, .normalise = true};

} // namespace

TEST_CASE("each sample comes once an epoch, in an order of the seed and the epoch") {
  const auto data = data_of(500);
  const sampling s{.seed = 3};
  std::vector<std::uint32_t> all(500);
  std::iota(all.begin(), all.end(), 0U);
  const auto first = epoch_order(*data, s, 0);
  CHECK(first != all);
  CHECK(first == epoch_order(*data, s, 0));
  CHECK(first != epoch_order(*data, s, 1));
  CHECK(first != epoch_order(*data, {.seed = 4}, 0));
  auto sorted = first;
  std::sort(sorted.begin(), sorted.end());
  CHECK(sorted == all);
  CHECK(epoch_order(*data, {.shuffle = false}, 7) == all);
}

TEST_CASE("microbatches follow the epoch's order and drop its partial batch") {
  const auto data = data_of(50);
  const sampling s{.batch = 12, .microbatches = 3};
  auto reader = reader_of(data, s);
  CHECK(reader.steps_per_epoch() == 4);
  for (const std::uint64_t step : {0, 3, 4, 9}) {
    const auto order = epoch_order(*data, s, step / 4);
    for (std::uint32_t m = 0; m < 3; ++m) {
      const microbatch_data got = reader.read(step, m);
      CHECK(got.inputs.dims() == shape{4, 1, 6, 6});
      CHECK(got.targets.dims() == shape{4});
      for (std::size_t i = 0; i < 4; ++i) {
        const std::uint32_t sample = order[step % 4 * 12 + m * 4 + i];
        CHECK(got.targets.values()[i] == data->labels[sample]);
        CHECK(got.inputs.values()[i * 36 + 5] ==
              static_cast<float>(data->pixels[sample * 36 + 5]) * (1.0F / 255.0F));
      }
    }
  }
}

TEST_CASE("balanced sampling draws each class equally often, whatever the data has") {
  dataset skewed = synthetic(1000, shape{1, 2, 2}, 10, 1);
  for (std::size_t i = 0; i < 1000; ++i)
    skewed.labels[i] = i < 20 ? 4 : i < 100 ? 2 : 1;
  std::array<int, 10> counts{};
  for (std::uint64_t epoch = 0; epoch < 9; ++epoch)
    for (const auto sample : epoch_order(skewed, {.balanced = true}, epoch))
      ++counts[skewed.labels[sample]];
  for (const int label : {1, 2, 4}) {
    CHECK(counts[static_cast<std::size_t>(label)] > 2800);
    CHECK(counts[static_cast<std::size_t>(label)] < 3200);
  }
  CHECK(counts[0] == 0);
}

TEST_CASE("a microbatch does not depend on who read what before") {
  const auto data = data_of(60);
  const sampling s{.batch = 20, .microbatches = 4};
  auto ordered = reader_of(data, s, everything);
  std::vector<microbatch_data> expected;
  for (std::uint64_t step = 0; step < 6; ++step)
    for (std::uint32_t m = 0; m < 4; ++m)
      expected.push_back(ordered.read(step, m));
  auto restarted = reader_of(data, s, everything);
  for (std::uint64_t step = 6; step-- > 0;)
    for (std::uint32_t m = 4; m-- > 0;) {
      const microbatch_data again = restarted.read(step, m);
      CHECK(same(again.inputs, expected[step * 4 + m].inputs));
      CHECK(same(again.targets, expected[step * 4 + m].targets));
    }
}

TEST_CASE("augmentation belongs to the sample, not to its place in the batch") {
  const auto data = data_of(40);
  const sampling shuffled{.batch = 40};
  const sampling in_order{.batch = 40, .shuffle = false};
  const auto a = reader_of(data, shuffled, everything).read(0, 0);
  const auto b = reader_of(data, in_order, everything).read(0, 0);
  const auto order = epoch_order(*data, shuffled, 0);
  for (std::size_t i = 0; i < 40; ++i)
    CHECK(std::memcmp(a.inputs.data() + i * 36, b.inputs.data() + order[i] * 36, 36 * 4) == 0);
  const auto later = reader_of(data, in_order, everything).read(1, 0);
  CHECK_FALSE(same(later.inputs, b.inputs));
}

TEST_CASE("padding is the value of a black pixel") {
  dataset white = synthetic(40, shape{1, 6, 6}, 10, 1);
  std::fill(white.pixels.begin(), white.pixels.end(), std::uint8_t{255});
  white.pixels[0] = 0;
  const pixel_transform t = pixel_transform_of(white, {.normalise = true});
  const auto data = std::make_shared<const dataset>(white);
  const auto got = reader_of(data, {.batch = 40}, everything).read(0, 0);
  int black = 0;
  for (const float value : got.inputs.values()) {
    CHECK((value == t.shift[0] || value == 255.0F * t.scale[0] + t.shift[0]));
    black += value == t.shift[0] ? 1 : 0;
  }
  CHECK(black > 40);
}

TEST_CASE("half of the images are mirrored and all shifts occur") {
  dataset corner = synthetic(1000, shape{1, 5, 5}, 10, 1);
  for (std::size_t i = 0; i < corner.pixels.size(); ++i)
    corner.pixels[i] = i % 25 == 11 ? 1 : 0;
  const auto data = std::make_shared<const dataset>(corner);
  const auto flipped = reader_of(data, {.batch = 1000}, {.flip = true}).read(0, 0);
  int mirrored = 0;
  for (std::size_t i = 0; i < 1000; ++i)
    mirrored += flipped.inputs.values()[i * 25 + 13] > 0 ? 1 : 0;
  CHECK(mirrored > 440);
  CHECK(mirrored < 560);
  const auto moved = reader_of(data, {.batch = 1000}, {.crop_padding = 1}).read(0, 0);
  std::array<int, 25> places{};
  for (std::size_t i = 0; i < 25'000; ++i)
    if (moved.inputs.values()[i] > 0) ++places[i % 25];
  for (const std::size_t place : {5U, 6U, 7U, 10U, 11U, 12U, 15U, 16U, 17U})
    CHECK(places[place] > 70);
}

TEST_CASE("the normaliser is that of the whole batch, for each of its microbatches") {
  const auto data = data_of(40);
  const sampling s{.batch = 20, .microbatches = 5};
  CHECK(reader_of(data, s).read(0, 2).normaliser == 20);
  softmax_cross_entropy weighted;
  for (int c = 0; c < 10; ++c)
    weighted.class_weights.push_back(static_cast<float>(c));
  auto reader = reader_of(data, s, {}, weighted);
  const auto order = epoch_order(*data, s, 0);
  double expected = 0;
  for (std::size_t i = 0; i < 20; ++i)
    expected += data->labels[order[i]];
  CHECK(reader.read(0, 0).normaliser == expected);
  CHECK(reader.read(0, 4).normaliser == expected);
}

TEST_CASE("the normaliser of an island is that of its run of microbatches") {
  const auto data = data_of(40);
  const sampling s{.batch = 20, .microbatches = 4, .islands = 2};
  softmax_cross_entropy weighted;
  for (int c = 0; c < 10; ++c)
    weighted.class_weights.push_back(static_cast<float>(c));
  auto reader = reader_of(data, s, {}, weighted);
  const auto order = epoch_order(*data, s, 0);
  for (const std::uint32_t microbatch : {0U, 1U, 2U, 3U}) {
    double expected = 0;
    for (std::size_t i = 0; i < 10; ++i)
      expected += data->labels[order[microbatch / 2 * 10 + i]];
    CHECK(reader.read(0, microbatch).normaliser == expected);
  }
}

TEST_CASE("losses over all outputs get one-hot targets") {
  const auto data = data_of(40);
  const sampling s{.batch = 20};
  const auto classes = reader_of(data, s).read(0, 0);
  for (const loss& l : {loss(mean_squared_error{}), loss(binary_cross_entropy_logits{})}) {
    const auto hot = reader_of(data, s, {}, l).read(0, 0);
    CHECK(hot.targets.dims() == shape{20, 10});
    CHECK(same(hot.targets, one_hot(classes.targets, 10)));
    CHECK(hot.targets.values()[static_cast<std::size_t>(classes.targets.values()[0])] == 1);
    CHECK(std::accumulate(hot.targets.data(), hot.targets.data() + 200, 0.0F) == 20);
    CHECK(hot.normaliser == 20 * normaliser_of(l, 0, 10));
  }
}

TEST_CASE("sampling that cannot work is refused") {
  const auto data = data_of(40);
  CHECK_ERROR(reader_of(data, {.batch = 64}), "batch 64 is larger than the training set");
  CHECK_ERROR(reader_of(data, {.batch = 20, .microbatches = 3}),
              "batch 20 does not split into 3 microbatches");
  CHECK_ERROR(reader_of(data, {.batch = 20}, {.crop_padding = 7}),
              "crop padding 7 is out of range");
  CHECK_ERROR(microbatch_reader(data, {.batch = 20}, {}, softmax_cross_entropy{}, 9),
              "9 outputs, labels up to 9");
  CHECK_ERROR(reader_of(data, {.batch = 20}, {}, softmax_cross_entropy{.class_weights = {1, 2}}),
              "2 weights, 10 outputs");
}

TEST_CASE("augmentation describes itself") {
  CHECK(augmentation{}.text() == "none");
  CHECK(everything.text() == "flip, crop 2, normalise");
}

TEST_CASE("reading allocates nothing once the buffers are there") {
  auto reader = reader_of(data_of(400), {.batch = 100, .microbatches = 2}, everything);
  reader.read(0, 0);
  const std::uint64_t before = buffer_pool::global().allocations();
  for (std::uint64_t step = 0; step < 8; ++step)
    reader.read(step, 1);
  CHECK(buffer_pool::global().allocations() == before);
}
