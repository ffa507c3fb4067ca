#include "src/small_jobs.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using namespace troupe::test;

namespace {

job sliced_job(std::int64_t steps) {
  auto j = small_job(steps);
  j.slices = {{.layer = "0", .slices = 2}, {.layer = "7", .slices = 4}};
  return j;
}

} // namespace

TEST_CASE("slices give the same bits on layer shards of their own, inside any wiring") {
  const auto j = sliced_job(5);
  const auto one = play(data_parallel(j));
  for (const int replicas : {1, 2})
    for (const int stages : {1, 2, 3})
      for (const char* order : {"1f1b", "zero-bubble"}) {
        CAPTURE(replicas);
        CAPTURE(stages);
        CAPTURE(order);
        const auto w = hybrid(
            j, {.replicas = replicas, .stages = stages, .schedule = order, .spread_slices = true});
        CHECK(w.spreads_slices());
        CHECK(w.find({.role = role_kind::layer_shard, .slice = 1}) != nullptr);
        for (const auto& mistake : mistakes_of(w))
          FAIL_CHECK(mistake.what);
        check_same(one, play(w));
      }
  auto compressed = j;
  compressed.compression = make_codec("1-bit");
  check_same(play(data_parallel(compressed)),
             play(hybrid(compressed, {.replicas = 2, .spread_slices = true})));
}

TEST_CASE("a slice killed at any message of a step changes no bit") {
  const auto j = sliced_job(5);
  const auto calm = play(data_parallel(j));
  const auto w = hybrid(j, {.stages = 2, .spread_slices = true});
  for (const auto& role : w.roles) {
    if (role.where.role != role_kind::layer_shard) continue;
    for (int message = 1; message <= 40; message += 2) {
      CAPTURE(role.where.text());
      CAPTURE(message);
      const auto run = play(w, {{role.where, 2, message}});
      check_same(calm, run);
      if (run.result.restarts == 0) break;
    }
  }
}

TEST_CASE("slices are spread only where there are some") {
  CHECK_THROWS_WITH_AS(hybrid(small_job(3), {.spread_slices = true}),
                       doctest::Contains("no layer is sliced"),
                       error);
  const auto w = data_parallel(small_job(3));
  CHECK(spread_slices(w).roles == w.roles);
}

TEST_CASE("schedules that slices cannot follow are told") {
  auto w = hybrid(sliced_job(3), {.spread_slices = true});
  for (auto& role : w.roles)
    if (role.where.role == role_kind::layer_shard && role.where.slice == 1)
      std::swap(role.schedule.front(), role.schedule.back());
  const auto wrong = mistakes_of(w);
  REQUIRE(!wrong.empty());
  CHECK(wrong.front().what.find("would wait for ever") != std::string::npos);
}
