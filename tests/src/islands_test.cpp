// Islands: the bits of one plain loop under every wiring, whoever is killed, through a resume.
#include "src/small_jobs.hpp"
#include "support/error_of.hpp"
#include "support/scratch_folder.hpp"
#include "support/sequential_reference.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <utility>

using namespace troupe;
using namespace troupe::test;

namespace {

// Epochs of 16 steps: rounds of 3 leave one step at the end of each.
job island_job(std::int64_t steps, std::uint32_t islands = 2, std::uint32_t every = 3) {
  auto j = small_job(steps);
  j.outer = {.islands = islands, .every = every};
  return j;
}

void check_against_loop(const job& j, const log_of_run& run) {
  const auto expected = play_sequentially(j);
  CHECK(run.digests == expected.digests);
  CHECK(run.losses == expected.losses);
  CHECK(run.result.parameter_digest == expected.digests.back());
  CHECK(run.result.parameter_digest == parameter_digest(run.result.layout, run.result.parameters));
}

} // namespace

TEST_CASE("islands give the same bits under every wiring: those of one plain loop") {
  const auto j = island_job(20); // past the end of an epoch, and ends within a round
  const auto two = play(data_parallel(j, {.replicas = 2}));
  REQUIRE(two.digests.size() == 20);
  check_against_loop(j, two);
  CHECK(two.digests != play(data_parallel(small_job(20))).digests);
  check_same(two, play(data_parallel(j, {.replicas = 4})));
  check_same(two, play(data_parallel(j, {.replicas = 4, .groups = 2})));
  check_same(two, play(data_parallel(j, {.replicas = 2, .holders = 3}), {}, 1));
  check_same(two, play(hybrid(j, {.replicas = 2, .stages = 2})));
  check_same(two,
             play(hybrid(j,
                         {.replicas = 4,
                          .stages = 3,
                          .holders = 1,
                          .schedule = "zero-bubble",
                          .block_bytes_max = 64 * 1024})));
}

TEST_CASE("slices of layers are spread on islands, too, to the same bits") {
  auto j = island_job(7);
  j.slices = {{.layer = "7", .slices = 2}};
  check_same(play(data_parallel(j, {.replicas = 2})),
             play(hybrid(j, {.replicas = 4, .spread_slices = true})));
}

TEST_CASE("rounds of one step, of more steps than an epoch, and one island are the loop's, too") {
  for (const std::uint32_t every : {1, 40}) {
    CAPTURE(every);
    const auto j = island_job(18, 4, every);
    check_against_loop(j, play(data_parallel(j, {.replicas = 4})));
  }
  auto j = island_job(12, 1);
  check_against_loop(j, play(data_parallel(j, {.replicas = 2})));
  j.outer.rule = adam{};
  j.outer.rate = 0.01F;
  j.optimizer = adamw{};
  check_against_loop(j, play(data_parallel(j, {.replicas = 2})));
}

TEST_CASE("one island whose outer step is all it has gone is plain training but for rounding") {
  auto j = island_job(12, 1);
  j.outer.rule = sgd{};
  j.outer.rate = 1;
  const auto plain = play(data_parallel(small_job(12))), alone = play(data_parallel(j));
  CHECK(alone.digests[0] == plain.digests[0]); // of the first round: no outer step yet
  CHECK(alone.digests[1] == plain.digests[1]);
  CHECK(alone.losses[2] == plain.losses[2]);
  for (std::size_t step = 3; step < 12; ++step)
    CHECK(alone.losses[step] == doctest::Approx(plain.losses[step]).epsilon(1e-3));
}

TEST_CASE("an actor of an island killed at any message of a step changes no bit") {
  const auto j = island_job(7);
  const auto w = hybrid(j, {.replicas = 2, .stages = 2, .holders = 1});
  const auto calm = play(w);
  REQUIRE(calm.result.restarts == 0);
  for (const auto& role : w.roles) {
    const auto& who = role.where;
    if (who.role != role_kind::layer_shard && who.role != role_kind::gradient_aggregator &&
        who.role != role_kind::data_loader)
      continue;
    // The outer aggregator hears nothing within a round.
    const std::int64_t step = 2;
    int killed = 0;
    for (int message = 1; message <= 40; ++message) {
      CAPTURE(who.text());
      CAPTURE(message);
      const auto run = play(w, {{who, step, message}, {who, 5, message}});
      check_same(calm, run);
      if (run.result.restarts == 0) break;
      ++killed;
    }
    CHECK(killed >= 2);
  }
}

TEST_CASE("an island may be ahead of the others by a round; who of it is killed begins there") {
  const auto j = island_job(24, 2, 8);
  const auto w = data_parallel(j, {.replicas = 2});
  const auto calm = play(w);
  const address fast{.role = role_kind::layer_shard};
  const slow_actor slow{{.role = role_kind::layer_shard, .replica = 1}, 3};
  for (const std::int64_t step : {4, 6, 7, 8, 15}) {
    CAPTURE(step);
    const auto run = play(w, {{fast, step, 3}, {fast, step + 1, 1}}, 2, {slow});
    CHECK(run.result.restarts == 2);
    check_same(calm, run);
  }
}

TEST_CASE("a job with islands resumes within a round, under another wiring, to the same bits") {
  for (const auto& [codec, every] :
       {std::pair{"none", 5}, std::pair{"none", 3}, std::pair{"top-k 0.05", 5}}) {
    CAPTURE(codec);
    CAPTURE(every);
    auto j = island_job(20);
    j.compression = make_codec(codec);
    const auto calm = play(data_parallel(j, {.replicas = 2}));
    const scratch_folder folder;
    // Every checkpoint of the run is resumed from: within rounds, and at their ends.
    cluster{}
        .start(data_parallel(j, {.replicas = 4}),
               {.checkpoint_folder = folder.path(),
                .checkpoint_every = every,
                .checkpoints_kept = 10,
                .evaluate = false})
        .wait();
    for (int step = every; step <= 20; step += every) {
      CAPTURE(step);
      const auto rest =
          cluster{}
              .start(hybrid(j, {.replicas = 2, .stages = 2}),
                     {.resume = folder.file(fmt::format("step-{:08}", step)), .evaluate = false})
              .wait();
      CHECK(rest.parameter_digest == calm.result.parameter_digest);
    }
    auto other = j;
    other.outer.every = 4;
    CHECK_THROWS_WITH_AS(
        cluster{}.start(data_parallel(other, {.replicas = 2}), {.resume = folder.path()}),
        doctest::Contains("outer steps: '2 islands, every 3 steps sgd momentum 0.9 nesterov, rate "
                          "0.7' in the checkpoint"),
        error);
  }
}

TEST_CASE("a stopped job with islands saves within a round and resumes to the same bits") {
  const auto j = island_job(30, 2, 8);
  const auto calm = play(data_parallel(j, {.replicas = 2}));
  const scratch_folder folder;
  auto first = cluster{}.start(data_parallel(j, {.replicas = 2}),
                               {.checkpoint_folder = folder.path(), .evaluate = false});
  first.stop();
  CHECK(first.wait().steps < 30);
  const auto rest =
      cluster{}
          .start(data_parallel(j, {.replicas = 2}), {.resume = folder.path(), .evaluate = false})
          .wait();
  CHECK(rest.parameter_digest == calm.result.parameter_digest);
}

TEST_CASE("evaluation and the weights at the end are of the outer parameters") {
  auto j = island_job(18); // the epoch's end, and an end within a round
  const scratch_folder folder;
  double accuracy = 0;
  auto result = cluster{}
                    .start(data_parallel(j, {.replicas = 2}),
                           {.observer =
                                [&](const run_event& e) {
                                  if (const auto* epoch = std::get_if<epoch_event>(&e))
                                    accuracy = epoch->test_accuracy;
                                }})
                    .wait();
  result.save_weights(folder.file("w"));
  const auto again = evaluate(
      j.model, folder.file("w"), j.data.test, pixel_transform_of(*j.data.train, j.augment), j.loss);
  CHECK(accuracy > 0);
  CHECK(again.accuracy == accuracy);
}

TEST_CASE("what islands exchange is compressed by the job's codec, same bits under every wiring") {
  for (const auto& codec : {"int8", "1-bit"}) {
    CAPTURE(codec);
    auto j = island_job(12);
    const auto plain = play(data_parallel(j, {.replicas = 2}));
    j.compression = make_codec(codec);
    const auto two = play(data_parallel(j, {.replicas = 2}));
    CHECK(two.digests[1] == plain.digests[1]); // within the first round nothing is
    CHECK(two.digests[2] != plain.digests[2]);
    check_same(two, play(data_parallel(j, {.replicas = 4, .holders = 3})));
    const auto w = hybrid(j, {.replicas = 2, .stages = 2, .block_bytes_max = 64 * 1024});
    check_same(two, play(w));
    check_same(two,
               play(w,
                    {{{.role = role_kind::gradient_aggregator}, 5, 2},
                     {{.role = role_kind::layer_shard, .replica = 1}, 8, 4}}));
  }
}

TEST_CASE("islands that do not fit are refused with the nearest that do") {
  const auto told = [](const job& j, const hybrid_options& o) {
    std::string out;
    for (const auto& m : mistakes_of(j, o))
      out += std::string(error(m).what()) + "\n";
    return out;
  };
  CHECK(contains(told(island_job(3, 3), {.replicas = 2}), "use --islands 2, or --microbatches 6"));
  CHECK(contains(told(island_job(3), {.replicas = 1}), "use --replicas 2"));
  CHECK(contains(told(island_job(3), {.replicas = 4, .groups = 1}), "use --groups 2"));
  CHECK(contains(told(island_job(3), {.replicas = 2, .stages = 2, .stash_weights = true}),
                 "islands are for synchronous jobs"));
  CHECK(contains(
      told(island_job(3), {.replicas = 2, .order = {.kind = consistency_kind::asynchronous}}),
      "use --consistency bsp"));
  auto j = island_job(3, 2, 0);
  CHECK(contains(told(j, {.replicas = 2}), "every 0 steps"));
  j = island_job(3);
  j.outer.rate = 0;
  CHECK(contains(told(j, {.replicas = 2}), "outer rate 0 does not learn"));
  j = island_job(3);
  j.compression = make_codec("int8");
  j.compressed_microbatches = 2;
  CHECK(contains(told(j, {.replicas = 2}), "leave --compress-microbatches out"));
}

TEST_CASE("microbatches of one replica are gradient accumulation: the bits of a replica for each") {
  const auto j = small_job(6, 8);
  check_same(play(data_parallel(j, {.replicas = 1})), play(data_parallel(j, {.replicas = 8})));
}
