// Slicing is part of the job: the same slices give the same bits wherever they are computed.
#include "ops/program.hpp"
#include "src/small_jobs.hpp"
#include "support/error_of.hpp"
#include "support/scratch_folder.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <string>

using namespace troupe;
using namespace troupe::test;

namespace {

// A convolution with what follows it, one inside a residual block, and a dense layer.
job sliced_job(std::int64_t steps) {
  job j = small_job(steps);
  j.slices = {{"0", 2}, {"4.body.0", 4}, {"7", 2}};
  return j;
}

} // namespace

TEST_CASE("slices give the same bits on any number of replicas and stages") {
  const auto j = sliced_job(6);
  const auto whole = play(data_parallel(j));
  CHECK(whole.result.steps == 6);
  check_same(whole, play(data_parallel(j, {.replicas = 2})));
  for (const int stages : {2, 3})
    for (const char* name : {"1f1b", "zero-bubble"}) {
      CAPTURE(stages);
      CAPTURE(name);
      check_same(whole, play(pipeline(j, {.stages = stages, .schedule = name})));
    }
  check_same(whole, play(hybrid(j, {.replicas = 2, .stages = 2})));
}

TEST_CASE("slices of one layer on different stages give the bits of one shard") {
  const auto j = sliced_job(4);
  const auto whole = play(data_parallel(j));
  const auto pieces = pieces_of(graph_of(j), {.microbatch = 8});
  REQUIRE(pieces.size() > 7);
  CHECK(pieces[0].name == "0 conv2d, slice 1 of 2");
  CHECK(pieces[4].name == "4.body.0 conv2d, slice 2 of 4");
  // Between the slices of the first layer; those of the second one on three stages.
  for (const std::vector<int>& cut : {std::vector<int>{1}, {4, 5}, {1, 4, 6}}) {
    CAPTURE(cut.front());
    const auto stages = static_cast<int>(cut.size()) + 1;
    for (const bool recompute : {false, true})
      check_same(whole, play(pipeline(j, {.stages = stages, .cut = cut, .recompute = recompute})));
  }
}

TEST_CASE("an actor that computes slices may be killed at any message of a step") {
  const auto j = sliced_job(4);
  const auto calm = play(data_parallel(j));
  const auto w = pipeline(j, {.stages = 2, .cut = {1}});
  for (const auto& role : w.roles) {
    if (role.where.role != role_kind::layer_shard) continue;
    int killed = 0;
    for (int message = 1; message <= 60; ++message) {
      CAPTURE(role.where.text());
      CAPTURE(message);
      const auto run = play(w, {{role.where, 2, message}});
      check_same(calm, run);
      if (run.result.restarts == 0) break; // no such message: all moments of the step are tried
      ++killed;
    }
    CHECK(killed >= 2);
  }
}

TEST_CASE("a sliced job learns what the whole one does, but for rounding") {
  auto j = sliced_job(5);
  j.model.layers[6] = dropout{0}; // its masks follow the layout of memory, and so the kernels
  const auto sliced = play(data_parallel(j));
  j.slices.clear();
  const auto whole = play(data_parallel(j));
  REQUIRE(sliced.losses.size() == whole.losses.size());
  for (std::size_t step = 0; step < whole.losses.size(); ++step)
    CHECK(sliced.losses[step] == doctest::Approx(whole.losses[step]).epsilon(1e-4));
  CHECK(sliced.digests != whole.digests);
}

TEST_CASE("weights of a sliced job are evaluated and trained on by the whole model") {
  const scratch_folder folder;
  auto j = sliced_job(4);
  const auto trained = cluster{}.start(data_parallel(j), {.evaluate = false}).wait();
  trained.save_weights(folder.file("w"));
  const auto& data = j.data.test;
  const auto pixels = pixel_transform_of(*j.data.train, j.augment);
  CHECK(evaluate(j.model, folder.file("w"), data, pixels, j.loss).images == data->size());
  j.slices.clear();
  const auto go_on =
      cluster{}
          .start(data_parallel(j), {.load_weights = folder.file("w"), .evaluate = false})
          .wait();
  CHECK(go_on.steps == 4);
}

TEST_CASE("a checkpoint resumes with the slices that it was written with, and no others") {
  const scratch_folder folder;
  auto j = sliced_job(6);
  const auto through = play(data_parallel(j));
  cluster{}
      .start(data_parallel(j),
             {.checkpoint_folder = folder.path(), .checkpoint_every = 3, .evaluate = false})
      .wait();
  const auto half = folder.file("step-00000003");
  const auto on =
      cluster{}.start(pipeline(j, {.stages = 2}), {.resume = half, .evaluate = false}).wait();
  CHECK(on.parameter_digest == through.result.parameter_digest);
  j.slices = {{"7", 2}, {"0", 2}};
  CHECK_ERROR(cluster{}.start(data_parallel(j), {.resume = half}),
              "slices: '0:2, 4.body.0:4, 7:2' in the checkpoint, '0:2, 7:2' now");
}

TEST_CASE("wrong slices are mistakes of the job, all of them") {
  auto j = small_job(1);
  j.slices = {{"0", 3}, {"1", 2}, {"7", 2}, {"body.0", 2}};
  const auto wrong = mistakes_of(j);
  REQUIRE(wrong.size() == 3);
  CHECK(wrong[0].what == "the 16 channels of layer 0 do not split into 3 slices");
  CHECK(wrong[1].what == "layer 1 cannot be sliced");
  CHECK(wrong[2].what == "the model has no layer 'body.0' to slice");
  CHECK(wrong[2].help == "did you mean '4.body.0'?");
  CHECK(mistakes_of(sliced_job(1)).empty());
}
