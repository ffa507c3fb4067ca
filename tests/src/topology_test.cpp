// The law of topology: the same job gives the same bits after every step under every wiring.
#include "src/small_jobs.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using namespace troupe::test;

TEST_CASE("a pipeline gives the bits of the whole model, under every schedule") {
  const auto j = small_job(8);
  const auto whole = play(data_parallel(j));
  for (const auto& name : schedule_names())
    for (const int stages : {2, 3})
      for (const bool recompute : {false, true}) {
        CAPTURE(name);
        CAPTURE(stages);
        CAPTURE(recompute);
        check_same(whole,
                   play(pipeline(j,
                                 {.stages = stages,
                                  .schedule = name,
                                  .chunks = name == "interleaved" ? 2 : 1,
                                  .recompute = recompute})));
      }
}

TEST_CASE("a stage whose whole backward is left for later keeps what it needs until then") {
  auto j = small_job(3);
  j.model = sequential(flatten{}, dense{8}, relu{}, dense{8}, relu{}, dense{10});
  const auto w = pipeline(j, {.stages = 3, .schedule = "zero-bubble"});
  REQUIRE(w.parts[0].elements == 0); // nobody waits for the gradient of part 1's inputs
  check_same(play(data_parallel(j)), play(w));
}

TEST_CASE("replicas of pipelines with any number of holders give the bits of one shard") {
  const auto j = small_job(8);
  const auto whole = play(data_parallel(j));
  for (const int holders : {0, 1, 3})
    for (const std::int64_t block : {std::int64_t{0}, std::int64_t{64 * 1024}}) {
      CAPTURE(holders);
      check_same(whole,
                 play(hybrid(j,
                             {.replicas = 2,
                              .stages = 3,
                              .holders = holders,
                              .schedule = "zero-bubble",
                              .block_bytes_max = block})));
    }
}

TEST_CASE("any actor of a pipeline killed at any message of a step changes no bit") {
  const auto j = small_job(5);
  const auto calm = play(data_parallel(j));
  const auto w = hybrid(j, {.replicas = 2, .stages = 2, .schedule = "1f1b"});
  for (const auto& role : w.roles) {
    const auto& who = role.where;
    if (who.role != role_kind::layer_shard && who.role != role_kind::data_loader &&
        who.role != role_kind::gradient_aggregator)
      continue;
    int killed = 0;
    for (int message = 1; message <= 60; ++message) {
      CAPTURE(who.text());
      CAPTURE(message);
      const auto run = play(w, {{who, 2, message}});
      check_same(calm, run);
      if (run.result.restarts == 0) break; // no such message: all moments of the step are tried
      ++killed;
    }
    // An aggregator without a block hears nothing.
    CHECK((killed >= 1 || who.role == role_kind::gradient_aggregator));
  }
}

TEST_CASE("replicas may follow schedules of their own") {
  const auto j = small_job(4, 8);
  auto w = hybrid(j, {.replicas = 2, .stages = 2, .schedule = "1f1b"});
  const schedule all_forwards_first = gpipe(2, 4);
  for (auto& r : w.roles)
    if (r.where.role == role_kind::layer_shard && r.where.replica == 1)
      r.schedule = all_forwards_first.per_stage[r.where.stage];
  check_same(play(data_parallel(j)), play(w));
}

TEST_CASE("a schedule that does not fit is refused on one stage, too") {
  const auto j = small_job(4);
  CHECK_THROWS_WITH_AS(hybrid(j, {.own_schedule = gpipe(1, 3)}),
                       doctest::Contains("schedule gpipe does not fit the wiring"),
                       error);
  CHECK_THROWS_WITH_AS(
      hybrid(j, {.cut = {1}}), doctest::Contains("the cut 1 makes no 1 parts"), error);
  check_same(play(data_parallel(j)), play(hybrid(j, {.own_schedule = gpipe(1, 4)})));
}

TEST_CASE("64 layer shards give the bits of one") {
  const auto j = small_job(4, 16);
  const auto whole = play(data_parallel(j));
  for (const int holders : {0, 2}) {
    const auto w = hybrid(j, {.replicas = 16, .stages = 4, .holders = holders});
    CHECK(w.of(role_kind::layer_shard).size() == 64);
    check_same(whole, play(w));
  }
  const auto w = hybrid(j, {.replicas = 16, .stages = 4, .holders = 2});
  const address third{.role = role_kind::layer_shard, .replica = 9, .stage = 2};
  check_same(whole, play(w, {{third, 1, 2}, {third, 3, 1}}));
}
