#include "ops/data/dataset.hpp"
#include "ops/error.hpp"
#include "ops/random.hpp"

#include <algorithm>

namespace troupe {

namespace {

constexpr std::int64_t knots = 5; // random values per axis and channel; bilinear between them
constexpr float contrast = 40.0F;
constexpr std::int32_t noise_range = 97; // uniform in [-48, 48]

float between(float low, float high, float t) {
  return low + (high - low) * t;
}

// Bilinear interpolation and no transcendental function: the same bytes on every machine.
std::vector<float> pattern_of(const shape& image, int label, std::uint64_t seed) {
  random_stream draw({seed, random_purpose::synthetic_data, 0, static_cast<std::uint32_t>(label)});
  std::vector<float> pattern;
  pattern.reserve(static_cast<std::size_t>(image.elements()));
  const auto place = [](std::int64_t at, std::int64_t size) {
    return size < 2 ? 0.0F : static_cast<float>(at * (knots - 1)) / static_cast<float>(size - 1);
  };
  for (std::int64_t c = 0; c < image[0]; ++c) {
    float grid[knots][knots];
    for (auto& row : grid)
      for (float& value : row)
        value = draw.uniform(-1.0F, 1.0F);
    for (std::int64_t y = 0; y < image[1]; ++y)
      for (std::int64_t x = 0; x < image[2]; ++x) {
        const float gy = place(y, image[1]);
        const float gx = place(x, image[2]);
        const auto iy = std::min(static_cast<std::int64_t>(gy), knots - 2);
        const auto ix = std::min(static_cast<std::int64_t>(gx), knots - 2);
        const float tx = gx - static_cast<float>(ix);
        const float top = between(grid[iy][ix], grid[iy][ix + 1], tx);
        const float bottom = between(grid[iy + 1][ix], grid[iy + 1][ix + 1], tx);
        pattern.push_back(128.0F + contrast * between(top, bottom, gy - static_cast<float>(iy)));
      }
  }
  return pattern;
}

} // namespace

dataset synthetic(std::int64_t n, const shape& image, int classes, std::uint64_t seed) {
  const bool sizes_ok = image.rank() == 3 && image[0] > 0 && image[1] > 0 && image[2] > 0;
  if (n < 1 || n > 100'000'000 || !sizes_ok || classes < 1 || classes > 256)
    throw error(
        {.what = "no such synthetic data",
         .where = "",
         .why = std::to_string(n) + " images " + image.text() + " of " + std::to_string(classes) +
                " classes",
         .help = "use 1 to 100,000,000 images [channels, height, width] and 1 to 256 classes"});
  std::vector<std::vector<float>> patterns;
  for (int label = 0; label < classes; ++label)
    patterns.push_back(pattern_of(image, label, seed));

  dataset data;
  data.name = "synthetic";
  data.image = image;
  data.classes = classes;
  data.labels.resize(static_cast<std::size_t>(n));
  data.pixels.resize(static_cast<std::size_t>(n * image.elements()));
  std::uint8_t* pixel = data.pixels.data();
  for (std::size_t i = 0; i < data.labels.size(); ++i) {
    const auto label = i % static_cast<std::size_t>(classes);
    data.labels[i] = static_cast<std::uint8_t>(label);
    random_stream draw({seed, random_purpose::synthetic_data, 1, static_cast<std::uint32_t>(i)});
    for (const float mean : patterns[label]) {
      // The upper half of the word scaled to the range: a modulo would be slower and no better.
      const auto half = static_cast<std::int32_t>(draw.next() >> 16);
      const std::int32_t noise = half * noise_range / 65536 - noise_range / 2;
      *pixel++ = static_cast<std::uint8_t>(static_cast<std::int32_t>(mean) + noise);
    }
  }
  return data;
}

} // namespace troupe
