#include "ops/data/transform.hpp"

#include "ops/data/sampler.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cmath>

using namespace troupe;

namespace {

using row = std::array<std::uint8_t, 6>;

row view(const row& from, const view_of_image& v) {
  row to{};
  to.fill(99);
  take_view(shape{1, 2, 3}, from.data(), v, to.data());
  return to;
}

constexpr row image = {1, 2, 3, 4, 5, 6};

} // namespace

TEST_CASE("a view is shifted, padded with zeros, then mirrored") {
  CHECK(view(image, {}) == image);
  CHECK(view(image, {.flip = true}) == row{3, 2, 1, 6, 5, 4});
  CHECK(view(image, {.down = 1}) == row{4, 5, 6, 0, 0, 0});
  CHECK(view(image, {.down = -1}) == row{0, 0, 0, 1, 2, 3});
  CHECK(view(image, {.right = 1}) == row{2, 3, 0, 5, 6, 0});
  CHECK(view(image, {.right = -2}) == row{0, 0, 1, 0, 0, 4});
  CHECK(view(image, {.right = -1, .flip = true}) == row{2, 1, 0, 5, 4, 0});
  CHECK(view(image, {.down = 2, .right = 3}) == row{});
  CHECK(view(image, {.right = -7}) == row{});
}

TEST_CASE("normalised training data has mean 0 and deviation 1 in each channel") {
  dataset data = synthetic(200, shape{3, 8, 8}, 10, 1);
  for (std::size_t i = 0; i < data.pixels.size(); ++i)
    if (i / 64 % 3 == 2) data.pixels[i] = 7; // a channel without deviation
  const pixel_transform t = pixel_transform_of(data, {.normalise = true});
  const microbatch_data all = read_plain(data, t, 0, data.size());
  for (std::size_t c = 0; c < 3; ++c) {
    double sum = 0;
    double squares = 0;
    for (std::size_t i = 0; i < 200; ++i)
      for (std::size_t p = 0; p < 64; ++p) {
        const double value = all.inputs.values()[(i * 3 + c) * 64 + p];
        sum += value;
        squares += value * value;
      }
    const double n = 200 * 64;
    CHECK(std::abs(sum / n) < 1e-5);
    CHECK(std::abs(squares / n - (c == 2 ? 0 : 1)) < 1e-4);
  }
}

TEST_CASE("rows past the end of the data are zero") {
  const dataset data = synthetic(5, shape{1, 2, 2}, 5, 1);
  const pixel_transform t = pixel_transform_of(data, {});
  const microbatch_data tail = read_plain(data, t, 3, 4);
  CHECK(tail.inputs.dims() == shape{4, 1, 2, 2});
  CHECK(tail.normaliser == 2);
  CHECK(tail.targets.values()[1] == 4);
  CHECK(tail.targets.values()[2] == 0);
  CHECK(tail.inputs.values()[4] == static_cast<float>(data.pixels[16]) * (1.0F / 255.0F));
  for (std::size_t i = 8; i < 16; ++i)
    CHECK(tail.inputs.values()[i] == 0);
}
