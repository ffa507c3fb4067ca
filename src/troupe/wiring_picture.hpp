// What is on a picture of a wiring, whatever draws it.
#pragma once

#include "troupe/price.hpp"
#include "troupe/wiring.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace troupe::detail {

struct picture_box {
  role_kind kind = role_kind::director;
  std::vector<std::string> lines;
};

struct picture_frame {
  std::string title; // "node 3"
  std::vector<std::size_t> boxes;
};

struct picture_arrow {
  std::size_t from = 0, to = 0; // boxes
  std::string what;
  bool tensors = false;   // else control
  bool back = false;      // against the flow of a step: it does not order the boxes
  std::int64_t bytes = 0; // a step; 0: not priced
  int count = 1;          // arrows that this one stands for
};

struct picture {
  std::string title;
  std::vector<picture_box> boxes;
  std::vector<picture_frame> frames;
  std::vector<picture_arrow> arrows;
};

picture picture_of(const wiring& w, const wiring_price* price);

std::string size_text(std::int64_t bytes);    // "1.9 MB"
std::string label_of(const picture_arrow& a); // "gradient, 1.9 MB"
const char* colour_of(role_kind kind);        // "#cfe2ff"

} // namespace troupe::detail
