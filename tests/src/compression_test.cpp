// Compressed gradients: both laws hold among wirings, residuals survive kills and resumes.
#include "src/small_jobs.hpp"
#include "support/scratch_folder.hpp"

#include <doctest/doctest.h>

#include <numeric>

using namespace troupe;
using namespace troupe::test;

namespace {

job compressed_job(const std::string& codec, std::int64_t steps, std::uint32_t microbatches = 1) {
  auto j = small_job(steps);
  j.compression = make_codec(codec);
  j.compressed_microbatches = microbatches;
  return j;
}

const std::vector<std::string> lossy = {"fp16", "bf16", "int8", "1-bit", "top-k 0.05"};

} // namespace

TEST_CASE("a compressed job gives the same bits under every wiring") {
  for (const auto& codec : lossy)
    for (const std::uint32_t microbatches : {1, 2}) {
      CAPTURE(codec);
      CAPTURE(microbatches);
      const auto j = compressed_job(codec, 6, microbatches);
      const auto one = play(data_parallel(j));
      CHECK(one.digests != play(data_parallel(small_job(6))).digests);
      check_same(one, play(data_parallel(j, {.replicas = 2})));
      if (microbatches == 1) check_same(one, play(data_parallel(j, {.replicas = 4})));
      check_same(one, play(pipeline(j, {.stages = 3, .schedule = "zero-bubble"})));
      check_same(one,
                 play(hybrid(
                     j, {.replicas = 2, .stages = 2, .holders = 3, .block_bytes_max = 64 * 1024})));
    }
}

TEST_CASE("residuals survive whoever is killed") {
  for (const auto& codec : {"1-bit", "top-k 0.05"}) {
    const auto j = compressed_job(codec, 6);
    const auto calm = play(data_parallel(j));
    const auto w = hybrid(j, {.replicas = 2, .stages = 2});
    for (const auto& role : w.roles) {
      const auto& who = role.where;
      if (who.role != role_kind::layer_shard && who.role != role_kind::gradient_aggregator)
        continue;
      for (int message = 1; message <= 40; message += 3) {
        CAPTURE(codec);
        CAPTURE(who.text());
        CAPTURE(message);
        const auto run = play(w, {{who, 2, message}, {who, 4, message / 2 + 1}});
        check_same(calm, run);
        if (run.result.restarts == 0) break;
      }
    }
  }
}

TEST_CASE("residuals are in checkpoints: a resumed job ends with the same bits") {
  const auto j = compressed_job("top-k 0.05", 12);
  const auto calm = play(data_parallel(j));
  const scratch_folder folder;
  auto first = cluster{}.start(
      data_parallel(j, {.replicas = 2}),
      {.checkpoint_folder = folder.path(), .checkpoint_every = 4, .evaluate = false});
  first.stop();
  CHECK(first.wait().steps < 12);
  const auto rest =
      cluster{}
          .start(pipeline(j, {.stages = 2}), {.resume = folder.path(), .evaluate = false})
          .wait();
  CHECK(rest.parameter_digest == calm.result.parameter_digest);
  CHECK_THROWS_WITH_AS(
      cluster{}.start(data_parallel(compressed_job("int8", 12)), {.resume = folder.path()}),
      doctest::Contains("compression"),
      error);
}

TEST_CASE("workers of a parameter server compress, too") {
  const auto one = play(parameter_server(compressed_job("int8", 12), {.workers = 1}));
  check_same(one, play(parameter_server(compressed_job("int8", 12), {.workers = 1, .servers = 3})));
  const auto r = play(parameter_server(compressed_job("bf16", 24), {.workers = 3}),
                      {{{.role = role_kind::layer_shard, .replica = 1}, 7, 3}});
  CHECK(r.result.steps == 24);
}

TEST_CASE("a codec that does not fit the wiring is refused with the nearest that does") {
  CHECK_THROWS_WITH_AS(data_parallel(compressed_job("int8", 3, 2), {.replicas = 4}),
                       doctest::Contains("use --compress-microbatches 1"),
                       error);
  CHECK_THROWS_WITH_AS(parameter_server(compressed_job("1-bit", 3), {.workers = 2}),
                       doctest::Contains("1-bit needs a synchronous job"),
                       error);
}
