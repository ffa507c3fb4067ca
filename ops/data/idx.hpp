// IDX, the format of the MNIST family: two zero bytes, a type byte, the number of axes, their sizes
// as big-endian u32, then the values (http://yann.lecun.com/exdb/mnist). Only type 8, unsigned
// byte.
#pragma once

#include "ops/data/dataset.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

struct idx_array {
  std::vector<std::int64_t> sizes; // outermost first
  std::string_view values;         // into the parsed bytes
};

// Checks everything that one file can tell. Throws error naming `name`.
idx_array parse_idx(std::string_view bytes, const std::string& name);

// What read_idx makes of two files. Images of rank 3 become [1, h, w], of rank 4 [c, h, w].
// `classes` 0: largest label + 1.
struct idx_file {
  std::string_view bytes; // decompressed
  std::string name;
};

dataset idx_dataset(const idx_file& images, const idx_file& labels, int classes);

} // namespace troupe
