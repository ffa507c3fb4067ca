// What a user gets wrong, from the job to the text that he reads: told before anything is spawned
// or written, with the place and the numbers.
#include "support/error_of.hpp"
#include "support/scratch_folder.hpp"
#include <troupe.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

using namespace troupe;

namespace {

job tiny_job() {
  return {.model = sequential(flatten{}, dense{10}),
          .data = load_data("synthetic:64", 3),
          .learning_rate = {.base = 0.02F},
          .batch = 16,
          .microbatches = 2,
          .steps = 4,
          .seed = 7};
}

dataset_ptr with_label(const dataset_ptr& data, std::size_t image, std::uint8_t label) {
  dataset changed = *data;
  changed.labels[image] = label;
  return std::make_shared<const dataset>(std::move(changed));
}

void check_told(const job& j, const std::vector<const char*>& parts) {
  const std::string text = test::error_of([&] { (void)data_parallel(j); });
  for (const char* part : parts) {
    INFO("error: ", text, "\nwanted: ", part);
    CHECK(test::contains(text, part));
  }
}

} // namespace

TEST_CASE("a loss that is not a number is told, and no checkpoint of it is written") {
  const test::scratch_folder scratch;
  job j = tiny_job();
  j.steps = 40;
  j.model = sequential(flatten{}, dense{32}, dense{10}); // one layer alone stays finite
  j.learning_rate.base = 1e20F;
  std::vector<std::string> saved;
  int steps = 0;
  auto live = cluster{}.start(data_parallel(j),
                              {.checkpoint_folder = scratch.file("checkpoints"),
                               .checkpoint_every = 40,
                               .evaluate = false,
                               .observer = [&](const run_event& e) {
                                 if (const auto* s = std::get_if<saved_event>(&e))
                                   saved.push_back(s->path);
                                 if (std::holds_alternative<step_event>(e)) ++steps;
                               }});
  const std::string text = test::error_of([&] { (void)live.wait(); });
  INFO("error: ", text);
  CHECK(test::contains(text, "the loss of step "));
  CHECK(test::contains(text, "help: lower --learning-rate"));
  CHECK(steps < 40);
  CHECK(saved.empty());
  CHECK(std::filesystem::is_empty(scratch.file("checkpoints")));
}

TEST_CASE("a label beyond the classes is told for each part of the data, with its image") {
  job train = tiny_job();
  train.data.train = with_label(train.data.train, 5, 12);
  check_told(train, {"label 12 is out of range", "image 5", "10 classes allow 0 to 9"});

  job tested = tiny_job();
  tested.data.test = with_label(tested.data.test, 3, 10);
  check_told(tested, {"label 10 is out of range", "image 3"});

  job validated = tiny_job();
  validated.data.validation = with_label(validated.data.train, 0, 255);
  check_told(validated, {"label 255 is out of range", "image 0"});
}

TEST_CASE("a batch that does not split shows the arithmetic and both cures") {
  job j = tiny_job();
  j.batch = 15;
  check_told(j,
             {"batch 15 does not split into 2 microbatches",
              "15 = 2 x 7 + 1",
              "use --batch 14 or --batch 16"});
}

TEST_CASE("images smaller than a kernel name the layer and the sizes") {
  job j = tiny_job();
  j.model = sequential(relu{}, conv2d{.channels = 4, .kernel = 99}, flatten{}, dense{10});
  check_told(j, {"conv2d does not fit its input", "layer 1", "kernel 99"});
}

TEST_CASE("a crop that leaves the image is told before a loader is spawned") {
  job j = tiny_job();
  for (const int padding : {-1, 1000}) {
    j.augment.crop_padding = padding;
    check_told(j, {"crop padding ", "is out of range", "--augment"});
  }
}

TEST_CASE("a learning rate without a finite positive value is told") {
  job j = tiny_job();
  for (const float base : {0.0F, -1.0F, std::numeric_limits<float>::infinity(), std::nanf("")}) {
    j.learning_rate.base = base;
    check_told(j, {"does not learn", "--learning-rate"});
  }
}

TEST_CASE("mistakes of data, batch and model are told together") {
  job j = tiny_job();
  j.batch = 15;
  j.data.test = with_label(j.data.test, 3, 10);
  j.model = sequential(dense{10});
  check_told(j,
             {"3 mistakes",
              "batch 15 does not split",
              "label 10 is out of range",
              "dense needs flat inputs"});
}

TEST_CASE("checkpoints that cannot be written are told before the first step") {
  const test::scratch_folder scratch;
  const std::string below_a_file = scratch.write("file", "x") + "/checkpoints";
  int events = 0;
  CHECK_ERROR(cluster{}.start(data_parallel(tiny_job()),
                              {.checkpoint_folder = below_a_file,
                               .observer = [&](const run_event&) { ++events; }}),
              "a folder cannot be made\n  --> " + below_a_file);
  CHECK(events == 0);
}
