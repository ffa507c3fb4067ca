#include "ops/data/idx.hpp"

#include "ops/error.hpp"
#include "ops/files/atomic_file.hpp"
#include "ops/files/count_text.hpp"

#include <algorithm>

namespace troupe {

namespace {

constexpr std::size_t file_bytes_max = std::size_t{4} << 30;
constexpr int type_unsigned_byte = 8;

int byte_at(std::string_view bytes, std::size_t at) {
  return static_cast<unsigned char>(bytes[at]);
}

std::int64_t big_endian_u32(std::string_view bytes, std::size_t at) {
  std::int64_t value = 0;
  for (std::size_t i = 0; i < 4; ++i)
    value = value * 256 + byte_at(bytes, at + i);
  return value;
}

std::string product_text(const std::vector<std::int64_t>& sizes) {
  std::string text;
  for (const std::int64_t size : sizes)
    text += (text.empty() ? "" : " x ") + std::to_string(size);
  return text;
}

[[noreturn]] void throw_wrong_size(const std::string& name,
                                   const idx_array& array,
                                   const std::string& expected,
                                   bool trailing) {
  throw error({.what = name + (trailing ? " has trailing bytes" : " is cut off"),
               .where = "",
               .why = "header says " + product_text(array.sizes) + " = " + expected +
                      " bytes, file has " + count_text(array.values.size()),
               .help = "download or copy it again"});
}

void check_rank(const idx_array& array, bool ok, const std::string& name, const char* allowed) {
  if (ok) return;
  throw error({.what = name + " does not hold what it should",
               .where = "",
               .why = "it has " + std::to_string(array.sizes.size()) + " axes (" +
                      product_text(array.sizes) + "), " + allowed,
               .help = "give the images first and the labels second"});
}

void check_labels(const dataset& data, const std::string& name) {
  const auto wrong = std::find_if(data.labels.begin(), data.labels.end(), [&](std::uint8_t label) {
    return label >= data.classes;
  });
  if (wrong == data.labels.end()) return;
  throw error({.what = name + " has a label out of range",
               .where = "label " + count_text(wrong - data.labels.begin()),
               .why = "it is " + std::to_string(*wrong) + "; " + std::to_string(data.classes) +
                      " classes allow 0 to " + std::to_string(data.classes - 1),
               .help = "check that the labels belong to this data set"});
}

} // namespace

idx_array parse_idx(std::string_view bytes, const std::string& name) {
  const auto fail = [&](const std::string& why) {
    throw error({.what = name + " is not an IDX file of unsigned bytes",
                 .where = "",
                 .why = why,
                 .help = "check that it is the right file"});
  };
  if (bytes.size() < 4)
    fail("it has " + std::to_string(bytes.size()) + " bytes, no room for a header");
  if (byte_at(bytes, 0) != 0 || byte_at(bytes, 1) != 0)
    fail("its magic number starts with " + std::to_string(byte_at(bytes, 0)) + " " +
         std::to_string(byte_at(bytes, 1)) + ", not 0 0");
  if (byte_at(bytes, 2) != type_unsigned_byte)
    fail("its type byte is " + std::to_string(byte_at(bytes, 2)) + ", not 8");
  const auto rank = static_cast<std::size_t>(byte_at(bytes, 3));
  if (rank < 1 || rank > 4) fail("it has " + std::to_string(rank) + " axes; 1 to 4 are read");
  const std::size_t header = 4 + 4 * rank;
  if (bytes.size() < header)
    fail("it has " + std::to_string(bytes.size()) + " bytes; its header needs " +
         std::to_string(header));

  idx_array array{{}, bytes.substr(header)};
  // Four factors below 2^32 can exceed 64 bits; nothing readable exceeds the first overflow.
  std::uint64_t expected = 1;
  bool overflow = false;
  for (std::size_t axis = 0; axis < rank; ++axis) {
    array.sizes.push_back(big_endian_u32(bytes, 4 + 4 * axis));
    const auto size = static_cast<std::uint64_t>(array.sizes.back());
    overflow = __builtin_mul_overflow(expected, size, &expected) || overflow;
  }
  if (std::find(array.sizes.begin(), array.sizes.end(), 0) != array.sizes.end())
    throw error({.what = name + " is empty",
                 .where = "",
                 .why = "header says " + product_text(array.sizes),
                 .help = "check that it is the right file"});
  if (overflow) throw_wrong_size(name, array, "more than 2^64", false);
  if (expected != array.values.size())
    throw_wrong_size(name, array, count_text(expected), expected < array.values.size());
  return array;
}

dataset idx_dataset(const idx_file& images, const idx_file& labels, int classes) {
  const idx_array pixels = parse_idx(images.bytes, images.name);
  check_rank(pixels,
             pixels.sizes.size() == 3 || pixels.sizes.size() == 4,
             images.name,
             "images have 3 or 4");
  const idx_array classes_of = parse_idx(labels.bytes, labels.name);
  check_rank(classes_of, classes_of.sizes.size() == 1, labels.name, "labels have 1");
  if (pixels.sizes[0] != classes_of.sizes[0])
    throw error({.what = "images and labels do not belong together",
                 .where = images.name + ", " + labels.name,
                 .why = count_text(pixels.sizes[0]) + " images, " +
                        count_text(classes_of.sizes[0]) + " labels",
                 .help = "give both files of the same set (train or test)"});

  dataset data;
  data.name = images.name;
  const std::size_t rank = pixels.sizes.size();
  data.image =
      shape{rank == 4 ? pixels.sizes[1] : 1, pixels.sizes[rank - 2], pixels.sizes[rank - 1]};
  data.pixels.assign(pixels.values.begin(), pixels.values.end());
  data.labels.assign(classes_of.values.begin(), classes_of.values.end());
  data.classes =
      classes > 0 ? classes : *std::max_element(data.labels.begin(), data.labels.end()) + 1;
  check_labels(data, labels.name);
  return data;
}

dataset read_idx(const std::string& images, const std::string& labels, int classes) {
  const std::string image_bytes = read_maybe_gzip(images, file_bytes_max);
  const std::string label_bytes = read_maybe_gzip(labels, file_bytes_max);
  return idx_dataset({image_bytes, images}, {label_bytes, labels}, classes);
}

} // namespace troupe
