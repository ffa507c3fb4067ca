// The two laws, on the live cluster with real kernels: a synchronous job's parameters are the same
// bits whatever the wiring, and whoever is killed.
#include "ops/random.hpp"
#include "src/small_jobs.hpp"
#include <troupe.hpp>

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <thread>

using namespace troupe;
using namespace troupe::test;

TEST_CASE("1, 2 and 4 replicas give the same bits after each of 50 steps") {
  const auto j = small_job(50);
  const auto one = play(data_parallel(j, {.replicas = 1}));
  REQUIRE(one.digests.size() == 50);
  CHECK(one.digests.front() != one.digests.back());
  CHECK(one.losses.back() < one.losses.front());
  for (const int replicas : {2, 4}) {
    CAPTURE(replicas);
    check_same(one, play(data_parallel(j, {.replicas = replicas})));
  }
  check_same(one, play(data_parallel(j, {.replicas = 2, .holders = 3})));
}

TEST_CASE("the number of microbatches is part of the job: it changes bits, the wiring does not") {
  const auto two = play(data_parallel(small_job(3, 2)));
  const auto four = play(data_parallel(small_job(3, 4)));
  CHECK(two.digests != four.digests);
}

TEST_CASE("an actor killed at any message of a step changes no bit") {
  const auto j = small_job(6);
  const auto calm = play(data_parallel(j, {.replicas = 2}));
  REQUIRE(calm.result.restarts == 0);
  const address victims[] = {{.role = role_kind::layer_shard},
                             {.role = role_kind::layer_shard, .replica = 1},
                             {.role = role_kind::data_loader, .replica = 1},
                             {.role = role_kind::gradient_aggregator},
                             {.role = role_kind::gradient_aggregator, .replica = 1}};
  for (const auto& who : victims) {
    int killed = 0;
    for (int message = 1; message <= 40; ++message) {
      CAPTURE(who.text());
      CAPTURE(message);
      const auto run = play(data_parallel(j, {.replicas = 2}), {{who, 3, message}});
      check_same(calm, run);
      if (run.result.restarts == 0) break; // no such message: all moments of the step are tried
      ++killed;
      REQUIRE(run.faults.size() == 1);
      CHECK(run.faults[0].who == who);
      CHECK(run.faults[0].now == 2);
    }
    CHECK(killed >= 2);
  }
}

TEST_CASE("several actors killed in one step, and the same one twice, change no bit") {
  const auto j = small_job(6);
  const auto calm = play(data_parallel(j, {.replicas = 2}));
  const address shard{.role = role_kind::layer_shard, .replica = 1},
      loader{.role = role_kind::data_loader}, aggregator{.role = role_kind::gradient_aggregator};
  const auto run =
      play(data_parallel(j, {.replicas = 2}),
           {{shard, 2, 3}, {shard, 4, 1}, {loader, 2, 1}, {aggregator, 2, 2}, {aggregator, 4, 1}});
  CHECK(run.result.restarts == 5);
  check_same(calm, run);
}

TEST_CASE("kills from outside at any time change no bit") {
  auto j = small_job(120);
  const auto calm = play(data_parallel(j, {.replicas = 2}));
  log_of_run out;
  auto live = cluster{}.start(data_parallel(j, {.replicas = 2}),
                              {.evaluate = false, .observer = [&](const run_event& e) {
                                 if (const auto* s = std::get_if<step_event>(&e)) {
                                   out.digests.push_back(s->digest);
                                   out.losses.push_back(s->loss);
                                 }
                               }});
  random_stream chance({.seed = 5});
  const role_kind roles[] = {
      role_kind::layer_shard, role_kind::data_loader, role_kind::gradient_aggregator};
  for (int i = 0; i < 30; ++i) {
    live.kill(
        {.role = roles[chance.below(3)], .replica = static_cast<std::uint32_t>(chance.below(2))});
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  out.result = live.wait();
  CHECK(out.result.restarts > 0);
  check_same(calm, out);
}

TEST_CASE("a job stopped in the middle and resumed ends with the bits of an undisturbed one") {
  for (const auto& rule : {optimizer{sgd{.momentum = 0.9F}}, optimizer{adamw{}}}) {
    auto j = small_job(20);
    j.optimizer = rule;
    const auto calm = play(data_parallel(j, {.replicas = 1}));
    const std::string folder = fmt::format("/tmp/troupe-test-resume-{}", ::getpid());
    auto first =
        cluster{}.start(data_parallel(j, {.replicas = 2}),
                        {.checkpoint_folder = folder, .checkpoint_every = 5, .evaluate = false});
    first.stop();
    const auto stopped = first.wait();
    CHECK(stopped.interrupted);
    CHECK(stopped.steps < 20);
    const auto rest =
        cluster{}
            .start(data_parallel(j, {.replicas = 1}), {.resume = folder, .evaluate = false})
            .wait();
    CHECK(rest.steps == 20);
    CHECK(rest.parameter_digest == calm.result.parameter_digest);
    REQUIRE(std::system(("rm -r " + folder).c_str()) == 0);
  }
}

TEST_CASE("who is not played cannot be killed, and that is said before the job starts") {
  const auto j = small_job(3);
  CHECK_THROWS_WITH_AS(
      play(data_parallel(j), {{{.role = role_kind::layer_shard, .replica = 3}, 1, 1}}),
      doctest::Contains("nobody plays layer_shard/3/0"),
      error);
}

TEST_CASE("every mistake of a job is told at once") {
  auto j = small_job(3);
  j.batch = 30;
  j.learning_rate.base = 0;
  CHECK_THROWS_WITH_AS(data_parallel(j, {.replicas = 3}), doctest::Contains("3 mistakes"), error);
  CHECK_THROWS_WITH_AS(
      data_parallel(j, {.replicas = 3}), doctest::Contains("30 = 4 x 7 + 2"), error);
  CHECK_THROWS_WITH_AS(
      data_parallel(j, {.replicas = 3}), doctest::Contains("4 = 3 x 1 + 1"), error);
}

TEST_CASE("a loss that is not a number ends the job with the step and a cure") {
  auto j = small_job(30);
  j.learning_rate = {.base = 1e30F};
  CHECK_THROWS_WITH_AS(
      play(data_parallel(j)), doctest::Contains("help: lower --learning-rate"), error);
}
