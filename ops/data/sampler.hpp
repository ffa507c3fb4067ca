// Which samples make up a microbatch, and how they are turned into floats. Both are pure functions
// of (seed, epoch, step, microbatch): replicas, restarts and prefetch cannot change an image.
#pragma once

#include "ops/data/dataset.hpp"
#include "ops/loss.hpp"
#include "ops/tensor.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace troupe {

struct augmentation {
  bool flip = false;    // horizontal, probability 1/2
  int crop_padding = 0; // zero-pad by this on each side and crop the original size at random
  bool normalise =
      false; // subtract the training set's mean and divide by its deviation, per channel

  [[nodiscard]] std::string text() const;
};

struct sampling {
  std::int64_t batch = 128;
  std::uint32_t microbatches = 1; // batch % microbatches == 0
  bool shuffle = true;            // off: the file's order
  bool balanced = false;          // each class equally likely, with replacement
  std::uint64_t seed = 1;
  // Runs of microbatches that are trained apart, each with a normaliser of its own.
  std::uint32_t islands = 1; // microbatches % islands == 0
};

// The samples of one epoch in order: a permutation keyed by (seed, epoch) (Fisher-Yates), the
// file's order, or balanced draws.
std::vector<std::uint32_t> epoch_order(const dataset& data, const sampling& s, std::uint64_t epoch);

struct microbatch_data {
  tensor inputs;         // [batch / microbatches, channels, height, width]
  tensor targets;        // [batch / microbatches], class indices; or one-hot rows, see below
  double normaliser = 1; // of the whole batch, or of the island's run; see ops/loss.hpp
};

// Targets are class indices for softmax cross-entropy and one-hot rows [n, outputs] for the losses
// that compare every output.
class microbatch_reader {
public:
  // Throws error where sampling, loss, outputs and data do not fit together.
  microbatch_reader(dataset_ptr data, sampling s, augmentation a, loss l, int outputs);

  [[nodiscard]] std::int64_t steps_per_epoch() const; // the last, partial batch is dropped

  // `step` counts from the start of the job; its epoch is step / steps_per_epoch(). Not thread-safe
  // (keeps the order of the current epoch).
  // Without images, `inputs` is empty.
  microbatch_data read(std::uint64_t step, std::uint32_t microbatch, bool images = true);

private:
  void copy_image(std::uint32_t sample, float* to);

  dataset_ptr data_;
  sampling sampling_;
  augmentation augmentation_;
  loss loss_;
  int outputs_;
  std::uint64_t epoch_ = ~std::uint64_t{0};
  std::vector<std::uint32_t> order_;
  std::vector<float> scale_, shift_;    // per channel: value = byte * scale + shift
  std::vector<double> normaliser_;      // per class: what one sample of it adds
  std::vector<std::uint8_t> augmented_; // one image, reused
};

// Per channel: value = byte * scale + shift for the given augmentation (pixel / 255 unless
// normalise).
struct pixel_transform {
  std::vector<float> scale, shift;
};

pixel_transform pixel_transform_of(const dataset& training, const augmentation& a);

// Samples [first, first + count) without random augmentation; rows past the end are zero, their
// targets too. Targets are class indices; the normaliser is the number of samples that exist.
microbatch_data
read_plain(const dataset& data, const pixel_transform& t, std::int64_t first, std::int64_t count);

// [n, outputs] from class indices [n]. REQUIRES: each index in [0, outputs).
tensor one_hot(const tensor& class_indices, int outputs);

} // namespace troupe
