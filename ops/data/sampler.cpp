#include "ops/data/sampler.hpp"

#include "ops/assert.hpp"
#include "ops/data/transform.hpp"
#include "ops/error.hpp"
#include "ops/files/count_text.hpp"
#include "ops/random.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <utility>

namespace troupe {

namespace {

void shuffle(std::vector<std::uint32_t>& order, const random_key& key) {
  random_stream draw(key);
  for (std::size_t i = order.size(); i > 1; --i)
    std::swap(order[i - 1], order[draw.below(static_cast<std::uint32_t>(i))]);
}

// Draws a class among those that occur, then one of its samples.
std::vector<std::uint32_t> balanced_order(const dataset& data, const random_key& key) {
  std::vector<std::vector<std::uint32_t>> members(256);
  for (std::size_t i = 0; i < data.labels.size(); ++i)
    members[data.labels[i]].push_back(static_cast<std::uint32_t>(i));
  std::erase_if(members, [](const auto& samples) { return samples.empty(); });
  random_stream draw(key);
  std::vector<std::uint32_t> order(data.labels.size());
  for (std::uint32_t& sample : order) {
    const auto& of_class = members[draw.below(static_cast<std::uint32_t>(members.size()))];
    sample = of_class[draw.below(static_cast<std::uint32_t>(of_class.size()))];
  }
  return order;
}

void check(const dataset& data, const sampling& s, const augmentation& a) {
  if (s.batch < 1 || s.microbatches < 1 || s.batch % s.microbatches != 0)
    throw error({.what = "batch " + std::to_string(s.batch) + " does not split into " +
                         std::to_string(s.microbatches) + " microbatches",
                 .where = data.name,
                 .why = "",
                 .help = "use a batch that is a multiple of the number of microbatches"});
  if (s.batch > data.size())
    throw error({.what = "batch " + std::to_string(s.batch) + " is larger than the training set",
                 .where = data.name,
                 .why = "it has " + count_text(data.size()) + " images",
                 .help = "use --batch " + std::to_string(data.size()) + " or less"});
  const std::int64_t smaller = std::min(data.image[1], data.image[2]);
  if (a.crop_padding < 0 || a.crop_padding > smaller)
    throw error({.what = "crop padding " + std::to_string(a.crop_padding) + " is out of range",
                 .where = data.name,
                 .why = "images are " + data.image.text(),
                 .help = "use 0 to " + std::to_string(smaller)});
}

void check_loss(const dataset& data, const loss& l, int outputs) {
  const int largest = *std::max_element(data.labels.begin(), data.labels.end());
  if (outputs <= largest)
    throw error(
        {.what = "the model has too few outputs",
         .where = data.name,
         .why = std::to_string(outputs) + " outputs, labels up to " + std::to_string(largest),
         .help = "give the last layer " + std::to_string(largest + 1) + " outputs or more"});
  const auto* softmax = std::get_if<softmax_cross_entropy>(&l);
  if (softmax == nullptr || softmax->class_weights.empty()) return;
  if (std::cmp_not_equal(softmax->class_weights.size(), outputs))
    throw error({.what = "class weights do not fit the model",
                 .where = data.name,
                 .why = std::to_string(softmax->class_weights.size()) + " weights, " +
                        std::to_string(outputs) + " outputs",
                 .help = "give one weight per output"});
}

bool wants_classes(const loss& l) {
  return std::holds_alternative<softmax_cross_entropy>(l);
}

} // namespace

std::string augmentation::text() const {
  std::string all;
  const auto add = [&](const std::string& part) { all += (all.empty() ? "" : ", ") + part; };
  if (flip) add("flip");
  if (crop_padding > 0) add("crop " + std::to_string(crop_padding));
  if (normalise) add("normalise");
  return all.empty() ? "none" : all;
}

std::vector<std::uint32_t>
epoch_order(const dataset& data, const sampling& s, std::uint64_t epoch) {
  if (s.balanced)
    return balanced_order(data, {s.seed, random_purpose::balanced_sampling, epoch, 0});
  std::vector<std::uint32_t> order(data.labels.size());
  std::iota(order.begin(), order.end(), 0U);
  if (s.shuffle) shuffle(order, {s.seed, random_purpose::shuffle, epoch, 0});
  return order;
}

microbatch_reader::microbatch_reader(
    dataset_ptr data, sampling s, augmentation a, loss l, int outputs)
    : data_(std::move(data)),
      sampling_(s),
      augmentation_(a),
      loss_(std::move(l)),
      outputs_(outputs) {
  TROUPE_ASSERT(data_ != nullptr && data_->size() > 0, "a microbatch_reader needs data");
  check(*data_, sampling_, augmentation_);
  check_loss(*data_, loss_, outputs_);
  pixel_transform transform = pixel_transform_of(*data_, augmentation_);
  scale_ = std::move(transform.scale);
  shift_ = std::move(transform.shift);
  augmented_.resize(static_cast<std::size_t>(data_->image.elements()));
  const int largest = *std::max_element(data_->labels.begin(), data_->labels.end());
  for (int label = 0; label <= largest; ++label)
    normaliser_.push_back(normaliser_of(loss_, static_cast<float>(label), outputs_));
}

std::int64_t microbatch_reader::steps_per_epoch() const {
  return data_->size() / sampling_.batch;
}

microbatch_data microbatch_reader::read(std::uint64_t step, std::uint32_t microbatch, bool images) {
  TROUPE_ASSERT(microbatch < sampling_.microbatches, "no such microbatch");
  const auto steps = static_cast<std::uint64_t>(steps_per_epoch());
  if (const std::uint64_t epoch = step / steps; epoch != epoch_) {
    order_ = epoch_order(*data_, sampling_, epoch);
    epoch_ = epoch;
  }
  const auto batch = static_cast<std::size_t>(sampling_.batch);
  const std::uint32_t* of_batch = order_.data() + step % steps * batch;
  const std::size_t n = batch / sampling_.microbatches;
  const std::uint32_t* mine = of_batch + microbatch * n;
  const auto rows = static_cast<std::int64_t>(n);
  const auto pixels = static_cast<std::size_t>(data_->image.elements());

  mutable_tensor inputs;
  if (images) inputs = buffer_pool::global().take(data_->image.with_batch(rows));
  for (std::size_t i = 0; images && i < n; ++i)
    copy_image(mine[i], inputs.data() + i * pixels);

  const auto width = static_cast<std::size_t>(outputs_);
  const bool classes = wants_classes(loss_);
  mutable_tensor targets =
      buffer_pool::global().take(classes ? shape{rows} : shape{rows, outputs_});
  if (!classes) std::fill(targets.values().begin(), targets.values().end(), 0.0F);
  for (std::size_t i = 0; i < n; ++i) {
    const std::uint8_t label = data_->labels[mine[i]];
    if (classes)
      targets.data()[i] = label;
    else
      targets.data()[i * width + label] = 1.0F;
  }

  // Over the whole batch in its order, so that every microbatch divides by the same bits.
  double normaliser = 0;
  const std::size_t island = batch / sampling_.islands, first = microbatch * n / island * island;
  for (std::size_t i = first; i < first + island; ++i)
    normaliser += normaliser_[data_->labels[of_batch[i]]];
  return {std::move(inputs).freeze(), std::move(targets).freeze(), normaliser};
}

// Every draw is keyed by (seed, epoch, sample) and made in a fixed order, whoever reads and
// whenever. Balanced sampling, which may repeat a sample in an epoch, then repeats its augmentation
// too.
void microbatch_reader::copy_image(std::uint32_t sample, float* to) {
  const shape& image = data_->image;
  const auto pixels = static_cast<std::size_t>(image.elements());
  const std::uint8_t* bytes = data_->pixels.data() + sample * pixels;
  if (augmentation_.flip || augmentation_.crop_padding > 0) {
    random_stream draw({sampling_.seed, random_purpose::augment, epoch_, sample});
    const auto places = static_cast<std::uint32_t>(2 * augmentation_.crop_padding + 1);
    view_of_image view;
    view.down = static_cast<std::int64_t>(draw.below(places)) - augmentation_.crop_padding;
    view.right = static_cast<std::int64_t>(draw.below(places)) - augmentation_.crop_padding;
    view.flip = augmentation_.flip && (draw.next() & 1U) != 0;
    take_view(image, bytes, view, augmented_.data());
    bytes = augmented_.data();
  }
  to_floats(image, bytes, {scale_, shift_}, to);
}

} // namespace troupe
