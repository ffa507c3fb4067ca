#include "ops/data/idx.hpp"

#include "support/data_files.hpp"
#include "support/error_of.hpp"
#include "support/scratch_folder.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using namespace troupe::test;

namespace {

const std::string images = idx_bytes({3, 2, 2}, ramp(12));
const std::string labels = idx_bytes({3}, std::string("\2\0\1", 3));

dataset both(const std::string& image_bytes, const std::string& label_bytes, int classes = 0) {
  return idx_dataset({image_bytes, "images"}, {label_bytes, "labels"}, classes);
}

} // namespace

TEST_CASE("images of rank 3 are grey, of rank 4 have channels") {
  const dataset grey = both(images, labels);
  CHECK(grey.image == shape{1, 2, 2});
  CHECK(grey.size() == 3);
  CHECK(grey.classes == 3);
  CHECK(grey.labels == std::vector<std::uint8_t>{2, 0, 1});
  CHECK(grey.pixels[5] == 5);
  const dataset colour = both(idx_bytes({3, 3, 1, 2}, ramp(18)), labels, 10);
  CHECK(colour.image == shape{3, 1, 2});
  CHECK(colour.classes == 10);
}

TEST_CASE("IDX files are read plain and compressed") {
  const scratch_folder folder;
  const dataset plain = read_idx(folder.write("i", images), folder.write("l", labels));
  const dataset packed =
      read_idx(folder.write("i.gz", gzip(images)), folder.write("l.gz", gzip(labels)));
  CHECK(plain.pixels == packed.pixels);
  CHECK(plain.labels == packed.labels);
  CHECK_ERROR(read_idx(folder.file("none"), folder.file("l")),
              "cannot read " + folder.file("none"));
}

TEST_CASE("a file that is not IDX is named with the reason") {
  CHECK_ERROR(parse_idx("", "f"), "f is not an IDX file");
  CHECK_ERROR(parse_idx("", "f"), "it has 0 bytes");
  CHECK_ERROR(parse_idx("PK\3\4....", "f"), "its magic number starts with 80 75, not 0 0");
  std::string wrong = images;
  wrong[2] = 13;
  CHECK_ERROR(parse_idx(wrong, "f"), "its type byte is 13, not 8");
  CHECK_ERROR(parse_idx(idx_bytes({}, "x"), "f"), "it has 0 axes");
  CHECK_ERROR(parse_idx(idx_bytes({1, 1, 1, 1, 1}, "x"), "f"), "it has 5 axes");
  CHECK_ERROR(parse_idx(images.substr(0, 10), "f"), "it has 10 bytes; its header needs 16");
}

TEST_CASE("a size that is not the header's is shown with the arithmetic") {
  CHECK_ERROR(parse_idx(idx_bytes({60000, 28, 28}, "xy"), "f"), "f is cut off");
  CHECK_ERROR(parse_idx(idx_bytes({60000, 28, 28}, "xy"), "f"),
              "header says 60000 x 28 x 28 = 47,040,000 bytes, file has 2");
  CHECK_ERROR(parse_idx(images + "z", "f"), "f has trailing bytes");
  CHECK_ERROR(parse_idx(images + "z", "f"), "3 x 2 x 2 = 12 bytes, file has 13");
  const std::uint32_t huge = 0xffffffffU;
  CHECK_ERROR(parse_idx(idx_bytes({huge, huge, huge, huge}, "x"), "f"), "more than 2^64");
  // 2^64 in all: a product that wraps around to the size of the file.
  CHECK_ERROR(parse_idx(idx_bytes({1U << 31, 1U << 31, 4}, ""), "f"), "more than 2^64");
  CHECK_ERROR(parse_idx(idx_bytes({0, 28, 28}, ""), "f"), "f is empty");
}

TEST_CASE("images and labels must belong together") {
  CHECK_ERROR(both(images, idx_bytes({2}, "\1\1")), "3 images, 2 labels");
  CHECK_ERROR(both(labels, images), "images have 3 or 4");
  CHECK_ERROR(both(images, images), "labels have 1");
  CHECK_ERROR(both(images, labels, 2), "labels has a label out of range");
  CHECK_ERROR(both(images, labels, 2), "label 0");
  CHECK_ERROR(both(images, labels, 2), "it is 2; 2 classes allow 0 to 1");
}
