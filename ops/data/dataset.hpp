// Data sets: labelled images in memory, uint8 as in their files. Reading checks everything (magic
// numbers, counts, sizes, trailing bytes, labels) and throws error naming the file.
#pragma once

#include "ops/tensor.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace troupe {

struct dataset {
  std::string name;
  shape image; // [channels, height, width]
  int classes = 0;
  std::vector<std::uint8_t> pixels; // [n, channels, height, width]
  std::vector<std::uint8_t> labels; // [n]

  [[nodiscard]] std::int64_t size() const { return static_cast<std::int64_t>(labels.size()); }
};

using dataset_ptr = std::shared_ptr<const dataset>;

struct data_split {
  dataset_ptr train;
  dataset_ptr test;
  dataset_ptr validation; // null unless split off
};

// An IDX pair (the MNIST family's format), each file plain or gzip. `classes` 0: largest label + 1.
dataset read_idx(const std::string& images, const std::string& labels, int classes = 0);

// The concatenation of CIFAR-10 binary files (1 label byte + 3,072 bytes a record).
dataset read_cifar10(std::span<const std::string> files);

// Images that a small network can learn: each class a smooth random pattern, plus noise. A function
// of its arguments alone.
dataset synthetic(std::int64_t n, const shape& image, int classes, std::uint64_t seed);

// What `--data` accepts: "fashion-mnist", "synthetic[:N]", a folder with IDX files
// (train-images-idx3-ubyte[.gz] ...) or CIFAR-10 binary files, or
// "idx:TRAIN_IMAGES,TRAIN_LABELS,TEST_IMAGES,TEST_LABELS". Throws error (which package to install,
// ...).
data_split load_data(const std::string& spec, std::uint64_t seed);
data_split fashion_mnist(); // of Debian's package dataset-fashion-mnist

// Moves `fraction` of the training images, chosen by the seed, to `validation`.
data_split split_validation(data_split data, double fraction, std::uint64_t seed);

} // namespace troupe
