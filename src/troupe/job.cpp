#include "troupe/job.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

namespace troupe {

std::int64_t job::steps_per_epoch() const {
  return data.train ? data.train->size() / batch : 0;
}

std::int64_t job::total_steps() const {
  return steps > 0 ? steps : epochs * steps_per_epoch();
}

std::uint32_t job::island_microbatches() const {
  return microbatches / std::max(1U, outer.islands);
}

outer_rounds job::rounds() const {
  if (outer.islands == 0) return {};
  return {.every = outer.every,
          .steps_per_epoch = static_cast<std::uint64_t>(steps_per_epoch()),
          .last_step = static_cast<std::uint64_t>(total_steps())};
}

std::string outer_steps::text() const {
  if (islands == 0) return "none";
  return fmt::format("{} island{}, every {} step{} {}, rate {:g}",
                     islands,
                     islands == 1 ? "" : "s",
                     every,
                     every == 1 ? "" : "s",
                     troupe::text(rule),
                     rate);
}

namespace {

std::string microbatch_help(std::int64_t batch, std::uint32_t microbatches) {
  const auto m = static_cast<std::int64_t>(microbatches);
  const auto below = batch / m * m, above = below + m;
  return below > 0 ? fmt::format("use --batch {} or --batch {}", below, above)
                   : fmt::format("use --batch {}", above);
}

// A loss picks an output by its label: one beyond them would read what is not there.
void check_labels(const dataset& data, int classes, std::vector<error_text>& out) {
  const auto largest = std::max_element(data.labels.begin(), data.labels.end());
  if (largest == data.labels.end() || *largest < classes) return;
  out.push_back({.what = fmt::format("label {} is out of range", *largest),
                 .where = fmt::format("{}, image {}", data.name, largest - data.labels.begin()),
                 .why = fmt::format("{} classes allow 0 to {}", classes, classes - 1),
                 .help = "check that the labels belong to this data set"});
}

// Else the first loader would find it, in the middle of a job that has begun.
void check_crop(const job& j, std::vector<error_text>& out) {
  const shape& image = j.data.train->image;
  const std::int64_t most = std::min(image[1], image[2]);
  if (j.augment.crop_padding >= 0 && j.augment.crop_padding <= most) return;
  out.push_back({.what = fmt::format("crop padding {} is out of range", j.augment.crop_padding),
                 .where = "--augment",
                 .why = fmt::format("images are {}", image.text()),
                 .help = fmt::format("use 0 to {}", most)});
}

void check_data(const job& j, std::vector<error_text>& out) {
  if (!j.data.train) {
    out.push_back({.what = "the job has no training data",
                   .where = "job::data",
                   .help = "set job.data = troupe::fashion_mnist(), or another data_split"});
    return;
  }
  if (j.batch > 0 && j.data.train->size() < j.batch)
    out.push_back({.what = fmt::format("batch {} is larger than the data set", j.batch),
                   .where = j.data.train->name,
                   .why = fmt::format("it has {} training images", j.data.train->size()),
                   .help = fmt::format("use --batch {} or less", j.data.train->size())});
  const auto agrees = [&](const dataset_ptr& other, const char* which) {
    if (other && !(other->image == j.data.train->image))
      out.push_back(
          {.what = fmt::format("the {} images have another shape than the training images", which),
           .where = other->name,
           .why = fmt::format("{} against {}", other->image.text(), j.data.train->image.text())});
  };
  agrees(j.data.test, "test");
  agrees(j.data.validation, "validation");
  for (const auto& part : {j.data.train, j.data.test, j.data.validation})
    if (part) check_labels(*part, j.data.train->classes, out);
  check_crop(j, out);
}

void check_batch(const job& j, std::vector<error_text>& out) {
  if (j.batch < 1)
    out.push_back({.what = fmt::format("batch {} is not a number of images", j.batch),
                   .where = "--batch",
                   .help = "use 1 or more"});
  if (j.microbatches < 1)
    out.push_back({.what = "0 microbatches cannot be computed",
                   .where = "--microbatches",
                   .help = "use 1 or more"});
  if (j.batch >= 1 && j.microbatches >= 1 && j.batch % j.microbatches != 0) {
    const auto m = static_cast<std::int64_t>(j.microbatches);
    out.push_back({.what = fmt::format("batch {} does not split into {} microbatches", j.batch, m),
                   .where = "--batch, --microbatches",
                   .why = fmt::format("{} = {} x {} + {}", j.batch, m, j.batch / m, j.batch % m),
                   .help = microbatch_help(j.batch, j.microbatches)});
  }
}

constexpr std::uint32_t islands_max = 4096; // what checkpoints can name

void check_islands(const job& j, std::vector<error_text>& out) {
  const auto w = j.outer.islands, m = j.microbatches;
  if (w > 0 && m >= 1 && m % w != 0) {
    std::uint32_t fewer = std::min(w, m);
    while (m % fewer != 0)
      --fewer;
    out.push_back(
        {.what = fmt::format("{} microbatches do not split into {} islands", m, w),
         .where = "--islands, --microbatches",
         .why = fmt::format("{} = {} x {} + {}", m, w, m / w, m % w),
         .help = fmt::format("use --islands {}, or --microbatches {}", fewer, (m / w + 1) * w)});
  }
  if (w > islands_max)
    out.push_back({.what = fmt::format("{} islands are too many", w),
                   .where = "--islands",
                   .help = fmt::format("use at most {}", islands_max)});
  if (w > 0 && j.outer.every < 1)
    out.push_back({.what = "islands that meet every 0 steps do not meet",
                   .where = "--outer-every",
                   .help = "use 1 or more, e.g. 8"});
  if (w > 0 && (!(j.outer.rate > 0.0F) || !std::isfinite(j.outer.rate)))
    out.push_back({.what = fmt::format("outer rate {} does not learn", j.outer.rate),
                   .where = "--outer-rate",
                   .help = "use a positive number, e.g. 0.7"});
  if (w > 0 && j.compression && j.compressed_microbatches > 1)
    out.push_back({.what = "islands compress no gradients of microbatches",
                   .where = "--compress-microbatches, --islands",
                   .why = "what crosses between islands is compressed, one payload an island",
                   .help = "leave --compress-microbatches out"});
}

void check_model(const job& j, std::vector<error_text>& out) {
  if (!j.data.train) return;
  try {
    const auto g = build_graph(j.model, j.data.train->image);
    for (auto& wrong : mistakes_of(g, j.slices))
      out.push_back(std::move(wrong));
    const auto outputs = g.output().elements();
    const auto* softmax = std::get_if<softmax_cross_entropy>(&j.loss);
    if (outputs < j.data.train->classes)
      out.push_back({.what = fmt::format(
                         "the model has {} outputs for {} classes", outputs, j.data.train->classes),
                     .where = fmt::format("last layer, output {}", g.output().text()),
                     .help = fmt::format("end the model with dense{{.outputs = {}}}",
                                         j.data.train->classes)});
    if (softmax != nullptr && !softmax->class_weights.empty() &&
        static_cast<std::int64_t>(softmax->class_weights.size()) != outputs)
      out.push_back({.what = fmt::format(
                         "{} class weights for {} outputs", softmax->class_weights.size(), outputs),
                     .where = "--class-weights",
                     .help = fmt::format("give {} numbers", outputs)});
    if (softmax != nullptr &&
        !(softmax->label_smoothing >= 0.0F && softmax->label_smoothing < 1.0F))
      out.push_back(
          {.what = fmt::format("label smoothing {} is not in [0, 1)", softmax->label_smoothing),
           .where = "--label-smoothing"});
  } catch (const error& e) {
    out.push_back(e.text());
  }
}

} // namespace

graph graph_of(const job& j) {
  return sliced(build_graph(j.model, j.data.train->image), j.slices);
}

std::vector<error_text> mistakes_of(const job& j) {
  std::vector<error_text> out;
  check_batch(j, out);
  check_islands(j, out);
  check_data(j, out);
  check_model(j, out);
  if (!(j.learning_rate.base > 0.0F) || !std::isfinite(j.learning_rate.base))
    out.push_back({.what = fmt::format("learning rate {} does not learn", j.learning_rate.base),
                   .where = "--learning-rate",
                   .help = "use a positive number, e.g. 0.05"});
  if (j.steps < 0 || (j.steps == 0 && j.epochs < 1))
    out.push_back({.what = "the job has no steps to run",
                   .where = "--epochs, --steps",
                   .why = fmt::format("epochs {}, steps {}", j.epochs, j.steps),
                   .help = "use --epochs 1 or more"});
  return out;
}

std::vector<tree_span> compressed_nodes(const job& j) {
  if (j.outer.islands > 0) return tree_nodes(j.outer.islands, 1);
  const std::uint32_t below_root = std::max(1U, std::bit_ceil(j.microbatches) / 2);
  return tree_nodes(j.microbatches, std::min(j.compressed_microbatches, below_root));
}

error joined(const std::vector<error_text>& mistakes) {
  if (mistakes.size() == 1) return error(mistakes.front());
  error_text all{.what = fmt::format("the job cannot run: {} mistakes", mistakes.size())};
  for (const auto& m : mistakes) {
    if (!all.why.empty()) all.why += "\n  ";
    all.why += "- " + m.what;
    if (!m.where.empty()) all.why += fmt::format(" ({})", m.where);
    if (!m.why.empty()) all.why += ": " + m.why;
    if (!m.help.empty()) all.why += "; " + m.help;
  }
  return error(std::move(all));
}

} // namespace troupe
