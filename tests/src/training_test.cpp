// A whole run against PyTorch: data, layers, loss, optimizer and running statistics at once.
#include "ops/files/safetensors.hpp"
#include "support/scratch_folder.hpp"
#include <troupe.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

using namespace troupe;

namespace {

const std::string folder = TROUPE_TEST_DATA "/training/";

job reference_job() {
  const std::string pair = folder + "images-idx3-ubyte," + folder + "labels-idx1-ubyte";
  return {.model = sequential(conv2d{.channels = 8, .kernel = 3, .padding = 1, .bias = false},
                              batch_norm{},
                              relu{},
                              max_pool2d{},
                              flatten{},
                              dense{10}),
          .data = load_data("idx:" + pair + "," + pair, 1),
          .optimizer = sgd{.momentum = 0.9F},
          .learning_rate = {.base = 0.05F},
          .batch = 32,
          .microbatches = 1,
          .steps = 20,
          .shuffle = false};
}

tensor_file train(const job& j) {
  const test::scratch_folder scratch;
  const auto result = cluster{}
                          .start(data_parallel(j),
                                 {.load_weights = folder + "before.safetensors", .evaluate = false})
                          .wait();
  CHECK(result.steps == j.steps);
  result.save_weights(scratch.file("weights.safetensors"));
  return read_safetensors(scratch.file("weights.safetensors"));
}

// The largest difference, as a part of the largest of the expected values.
double distance(const stored_tensor& actual, const stored_tensor& expected) {
  REQUIRE(actual.dims == expected.dims);
  double difference = 0, norm = 0;
  for (std::size_t i = 0; i < expected.values.size(); ++i) {
    difference = std::max(difference, std::abs(double{actual.values[i]} - expected.values[i]));
    norm = std::max(norm, std::abs(double{expected.values[i]}));
  }
  return difference / norm;
}

double largest_distance(const tensor_file& actual, const tensor_file& expected) {
  double out = 0;
  for (const stored_tensor& t : expected.tensors) {
    INFO("tensor ", t.name);
    const stored_tensor* mine = actual.find(t.name);
    REQUIRE(mine != nullptr);
    out = std::max(out, distance(*mine, t));
  }
  return out;
}

} // namespace

TEST_CASE("20 unshuffled steps give PyTorch's parameters within 1e-4") {
  const auto trained = train(reference_job());
  const auto expected = read_safetensors(folder + "after.safetensors");
  REQUIRE(expected.tensors.size() == 7);
  for (const stored_tensor& t : expected.tensors) {
    CAPTURE(t.name);
    REQUIRE(trained.find(t.name) != nullptr);
    CHECK(distance(*trained.find(t.name), t) < 1e-4);
  }
  const auto* seen = trained.find("1.num_batches_tracked");
  REQUIRE(seen != nullptr);
  CHECK(seen->integers == std::vector<std::int64_t>{20});
}

TEST_CASE("the comparison with PyTorch notices a step, a rate and an order that are not its own") {
  const auto expected = read_safetensors(folder + "after.safetensors");
  auto j = reference_job();
  j.steps = 19;
  CHECK(largest_distance(train(j), expected) > 1e-3);
  j = reference_job();
  j.learning_rate.base = 0.0505F;
  CHECK(largest_distance(train(j), expected) > 1e-3);
  j = reference_job();
  j.shuffle = true;
  CHECK(largest_distance(train(j), expected) > 1e-3);
}
