// From bytes to the floats of a network: crop, mirror, scale. Pure functions of one image.
#pragma once

#include "ops/tensor.hpp"

#include <cstdint>
#include <span>

namespace troupe {

// Which part of the zero-padded image is seen: shifted by (down, right), then mirrored.
struct view_of_image {
  std::int64_t down = 0;
  std::int64_t right = 0;
  bool flip = false;
};

// to[c, y, x] = from[c, y + down, x + right], or 0 outside of the image. REQUIRES: from != to.
void take_view(const shape& image,
               const std::uint8_t* from,
               const view_of_image& view,
               std::uint8_t* to);

struct channel_scales {
  std::span<const float> scale; // one per channel
  std::span<const float> shift;
};

// to = from * scale + shift, [c, h, w].
void to_floats(const shape& image, const std::uint8_t* from, const channel_scales& s, float* to);

} // namespace troupe
