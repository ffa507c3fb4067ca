// The law of topology: the same job gives the same bits after every step under every wiring.
#include "src/small_jobs.hpp"
#include "support/error_of.hpp"

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

TEST_CASE("layers that share blocks give the bits of layers with a block each") {
  const auto j = small_job(8);
  const auto whole = play(data_parallel(j));
  for (const std::int64_t least : {std::int64_t{0}, std::int64_t{1} << 30}) {
    CAPTURE(least);
    check_same(whole, play(hybrid(j, {.replicas = 2, .stages = 2, .block_bytes_min = least})));
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

TEST_CASE("gradients that are added up in groups give the bits of one shard") {
  for (const std::uint32_t microbatches : {8U, 16U}) {
    const auto j = small_job(6, microbatches);
    const auto whole = play(data_parallel(j));
    for (const int replicas : {2, 4, 8})
      for (const int groups : {1, 2, replicas})
        for (const int holders : {0, 3}) {
          CAPTURE(replicas);
          CAPTURE(groups);
          CAPTURE(holders);
          check_same(
              whole,
              play(data_parallel(j, {.replicas = replicas, .holders = holders, .groups = groups})));
        }
    check_same(whole, play(hybrid(j, {.replicas = 4, .stages = 2, .groups = 2})));
  }
}

TEST_CASE("groups whose microbatches are several subtrees give the bits of one shard") {
  for (const std::uint32_t microbatches : {6U, 12U}) { // ((0..3), (4, 5)), ((0..7), (8..11))
    auto j = small_job(6, microbatches);
    j.batch = 48;
    const auto whole = play(data_parallel(j));
    for (const int groups : {1, 2, 3, 6}) {
      CAPTURE(microbatches);
      CAPTURE(groups);
      check_same(whole, play(data_parallel(j, {.replicas = 6, .groups = groups})));
    }
  }
}

TEST_CASE("stages that do not wait for each other give the same bits in groups") {
  const auto j = small_job(8);
  const hybrid_options plain{.replicas = 4, .stages = 3, .stash_weights = true};
  auto grouped = plain;
  grouped.groups = 2;
  const auto calm = play(hybrid(j, plain));
  check_same(calm, play(hybrid(j, grouped)));
  const address group{.role = role_kind::gradient_aggregator, .replica = 1, .stage = 2};
  const address root{.role = role_kind::gradient_aggregator, .replica = 1};
  check_same(calm, play(hybrid(j, grouped), {{group, 2, 1}, {root, 3, 2}, {group, 5, 2}}));
}

TEST_CASE("a gradient aggregator of any level killed at any message of a step changes no bit") {
  auto j = small_job(5, 6);
  j.batch = 48;
  const auto calm = play(data_parallel(j));
  // Group 1 has microbatches 0 to 2, group 2 has 3 to 5: two sums each.
  const auto w = data_parallel(j, {.replicas = 6, .holders = 2, .groups = 2});
  const auto all = w.of(role_kind::gradient_aggregator);
  REQUIRE(all.size() == 6);
  for (const auto& who : all) {
    int killed = 0;
    for (int message = 1; message <= 60; ++message) {
      CAPTURE(who.text());
      CAPTURE(message);
      const auto run = play(w, {{who, 2, message}});
      check_same(calm, run);
      if (run.result.restarts == 0) break;
      ++killed;
    }
    CHECK(killed >= 4);
  }
  // Both levels in the same step, and a layer shard that sends again to the new ones.
  for (int message = 1; message <= 6; ++message)
    check_same(calm,
               play(w,
                    {{all[0], 2, message},
                     {all[4], 2, 2},
                     {{.role = role_kind::layer_shard, .replica = 4}, 2, 3},
                     {all[4], 3, message}}));
}

TEST_CASE("groups that do not fit are refused with the nearest that do") {
  auto j = small_job(1, 6);
  j.batch = 48;
  const auto told = [&](const hybrid_options& o) { return error_of([&] { hybrid(j, o); }); };
  CHECK(told({.replicas = 6, .groups = 4}) == "6 replicas do not split into 4 groups\n"
                                              "  --> --replicas, --groups\n"
                                              "  the groups have as many replicas each\n"
                                              "  help: use --groups 3 or 6, or 0 for none");
  CHECK(contains(told({.replicas = 2, .groups = 9}), "help: use --groups 2, or 0 for none"));
  CHECK(contains(told({.replicas = 2, .groups = -1}), "help: use --groups 1, or 0 for none"));
  CHECK(contains(
      told({.replicas = 2, .groups = 2, .order = {.kind = consistency_kind::asynchronous}}),
      "the gradients of workers are not added up in groups"));
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
