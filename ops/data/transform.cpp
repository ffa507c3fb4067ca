#include "ops/data/transform.hpp"

#include "ops/data/sampler.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace troupe {

namespace {

struct moments {
  double mean = 0;      // in bytes
  double deviation = 0; // of the population, in bytes
};

// Integer sums: exact, so independent of order and machine.
moments moments_of(const dataset& data, std::int64_t channel) {
  const std::int64_t area = data.image[1] * data.image[2];
  std::uint64_t sum = 0;
  std::uint64_t squares = 0;
  for (std::int64_t i = 0; i < data.size(); ++i) {
    const std::uint8_t* pixel = data.pixels.data() + (i * data.image[0] + channel) * area;
    // 32 bits hold 2^16 squares of bytes and vectorise better than 64.
    for (std::int64_t first = 0; first < area; first += 65536) {
      const std::int64_t last = std::min(area, first + 65536);
      std::uint32_t part = 0;
      std::uint32_t part_squares = 0;
      for (std::int64_t at = first; at < last; ++at) {
        const std::uint32_t value = pixel[at];
        part += value;
        part_squares += value * value;
      }
      sum += part;
      squares += part_squares;
    }
  }
  const double count = static_cast<double>(data.size() * area);
  const double mean = static_cast<double>(sum) / count;
  const double variance = static_cast<double>(squares) / count - mean * mean;
  return {mean, std::sqrt(std::max(variance, 0.0))};
}

} // namespace

void take_view(const shape& image,
               const std::uint8_t* from,
               const view_of_image& view,
               std::uint8_t* to) {
  const std::int64_t height = image[1];
  const std::int64_t width = image[2];
  const std::int64_t first = std::clamp<std::int64_t>(-view.right, 0, width);
  const std::int64_t last = std::clamp<std::int64_t>(width - view.right, first, width);
  for (std::int64_t c = 0; c < image[0]; ++c)
    for (std::int64_t y = 0; y < height; ++y, to += width) {
      const std::int64_t source = y + view.down;
      std::memset(to, 0, static_cast<std::size_t>(width));
      if (source >= 0 && source < height)
        std::memcpy(to + first,
                    from + (c * height + source) * width + first + view.right,
                    static_cast<std::size_t>(last - first));
      if (view.flip) std::reverse(to, to + width);
    }
}

void to_floats(const shape& image, const std::uint8_t* from, const channel_scales& s, float* to) {
  const std::int64_t area = image[1] * image[2];
  for (std::int64_t c = 0; c < image[0]; ++c, from += area, to += area) {
    const float scale = s.scale[static_cast<std::size_t>(c)];
    const float shift = s.shift[static_cast<std::size_t>(c)];
    const std::uint8_t* __restrict source = from;
    float* __restrict target = to;
    for (std::int64_t i = 0; i < area; ++i)
      target[i] = static_cast<float>(source[i]) * scale + shift;
  }
}

pixel_transform pixel_transform_of(const dataset& training, const augmentation& a) {
  pixel_transform t;
  for (std::int64_t c = 0; c < training.image[0]; ++c) {
    if (!a.normalise) {
      t.scale.push_back(1.0F / 255.0F);
      t.shift.push_back(0.0F);
      continue;
    }
    const moments m = moments_of(training, c);
    // A channel of one value carries nothing; dividing by 1 leaves it at zero.
    const double deviation = m.deviation > 0 ? m.deviation : 1.0;
    t.scale.push_back(static_cast<float>(1.0 / deviation));
    t.shift.push_back(static_cast<float>(-m.mean / deviation));
  }
  return t;
}

microbatch_data
read_plain(const dataset& data, const pixel_transform& t, std::int64_t first, std::int64_t count) {
  const std::int64_t pixels = data.image.elements();
  const std::int64_t present = std::clamp<std::int64_t>(data.size() - first, 0, count);
  mutable_tensor inputs = buffer_pool::global().take(data.image.with_batch(count));
  mutable_tensor targets = buffer_pool::global().take(shape{count});
  for (std::int64_t i = 0; i < present; ++i) {
    const std::uint8_t* image = data.pixels.data() + (first + i) * pixels;
    to_floats(data.image, image, {t.scale, t.shift}, inputs.data() + i * pixels);
    targets.data()[i] = data.labels[static_cast<std::size_t>(first + i)];
  }
  std::fill(inputs.data() + present * pixels, inputs.data() + count * pixels, 0.0F);
  std::fill(targets.data() + present, targets.data() + count, 0.0F);
  return {std::move(inputs).freeze(), std::move(targets).freeze(), static_cast<double>(present)};
}

tensor one_hot(const tensor& class_indices, int outputs) {
  const std::int64_t n = class_indices.elements();
  mutable_tensor rows = buffer_pool::global().take(shape{n, outputs});
  std::fill(rows.values().begin(), rows.values().end(), 0.0F);
  for (std::int64_t i = 0; i < n; ++i) {
    const auto index = static_cast<std::int64_t>(class_indices.data()[i]);
    rows.data()[i * outputs + index] = 1.0F;
  }
  return std::move(rows).freeze();
}

} // namespace troupe
