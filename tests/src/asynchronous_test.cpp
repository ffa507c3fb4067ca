// Parameter servers and pipelines whose stages do not wait: every update once, the staleness bound
// kept, and where the order is fixed, the same bits.
#include "src/small_jobs.hpp"
#include "support/error_of.hpp"
#include "support/scratch_folder.hpp"
#include "support/sequential_reference.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <numeric>

using namespace troupe;
using namespace troupe::test;

namespace {

constexpr consistency asp{.kind = consistency_kind::asynchronous};

consistency ssp(std::uint64_t bound) {
  return {.kind = consistency_kind::bounded, .staleness = bound};
}

// Learns within its steps, also from updates that are a few others old.
job learning_job(std::int64_t steps) {
  auto j = small_job(steps, 2);
  j.data = load_data("fashion-mnist", 1);
  j.model = sequential(flatten{}, dense{32}, relu{}, dense{10});
  j.optimizer = sgd{};
  j.learning_rate = {.base = 0.1F};
  j.augment = {};
  return j;
}

void check_learned(const log_of_run& r) {
  const auto mean = [](auto first, auto last) {
    return std::accumulate(first, last, 0.0) / static_cast<double>(last - first);
  };
  CHECK(mean(r.losses.end() - 10, r.losses.end()) <
        0.9 * mean(r.losses.begin(), r.losses.begin() + 10));
}

void check_whole(const log_of_run& r, std::int64_t steps) {
  CHECK(r.result.steps == steps); // each block has applied every step once, else it had not ended
  CHECK(r.losses.size() == static_cast<std::size_t>(steps));
  CHECK(parameter_digest(r.result.layout, r.result.parameters) == r.result.parameter_digest);
  for (const double loss : r.losses)
    CHECK(std::isfinite(loss));
}

} // namespace

TEST_CASE("one asynchronous worker gives the bits of the synchronous job") {
  const auto j = small_job(20);
  const auto whole = play(data_parallel(j));
  for (const auto& order : {asp, ssp(0), ssp(3)})
    for (const int servers : {1, 3})
      check_same(
          whole,
          play(parameter_server(
              j,
              {.workers = 1, .servers = servers, .order = order, .block_bytes_max = 64 * 1024})));
  check_same(whole, play(parameter_server(j, {.workers = 1, .order = asp, .stages = 3})));
}

TEST_CASE("a synchronous parameter server gives the bits of one shard") {
  const auto j = small_job(10);
  const auto whole = play(data_parallel(j));
  for (const int servers : {1, 3})
    check_same(whole, play(parameter_server(j, {.workers = 2, .servers = servers, .order = {}})));
}

TEST_CASE("every update is applied once, and no worker leads by more than the bound") {
  const auto j = learning_job(150);
  for (const std::uint64_t bound : {0, 1, 4})
    for (const int workers : {2, 3}) {
      CAPTURE(bound);
      CAPTURE(workers);
      const auto r =
          play(parameter_server(j, {.workers = workers, .servers = 2, .order = ssp(bound)}));
      check_whole(r, 150);
      CHECK(r.lead <= bound);
      check_learned(r);
    }
  const auto r = play(parameter_server(j, {.workers = 3, .servers = 2, .order = asp}));
  check_whole(r, 150);
  CHECK(r.staleness > 0);
}

TEST_CASE("workers killed at any message lose no update and apply none twice") {
  const auto j = small_job(24);
  for (const auto& order : {asp, ssp(1)})
    for (int message = 1; message <= 14; ++message) {
      CAPTURE(message);
      const auto r = play(parameter_server(j, {.workers = 2, .servers = 2, .order = order}),
                          {{{.role = role_kind::layer_shard, .replica = 1}, 7, message},
                           {{.role = role_kind::layer_shard}, 12, message},
                           {{.role = role_kind::data_loader}, 8, 1}});
      check_whole(r, 24);
      if (order.kind == consistency_kind::bounded) CHECK(r.lead <= 1);
    }
}

TEST_CASE("a slow worker falls behind by as much as the consistency allows") {
  auto j = small_job(64, 2);
  j.data = load_data("synthetic:2048", 3); // 64 steps: no worker waits at an epoch's end
  const std::vector<slow_actor> slow{{{.role = role_kind::layer_shard, .replica = 1}, 10}};
  const auto free = play(parameter_server(j, {.workers = 2, .order = asp}), {}, 2, slow);
  check_whole(free, 64);
  CHECK(free.lead > 4);
  const auto bounded = play(parameter_server(j, {.workers = 2, .order = ssp(2)}), {}, 2, slow);
  check_whole(bounded, 64);
  CHECK(bounded.lead <= 2);
  for (const auto& r : {free, bounded}) {
    const auto& counted = r.result.staleness;
    CHECK(counted.count == 64);
    CHECK(std::accumulate(counted.updates.begin(), counted.updates.end(), std::int64_t{0}) == 64);
    CHECK(counted.most == r.staleness);
    CHECK(counted.lead == r.lead);
  }
}

TEST_CASE("slow actors change no bit of a synchronous job, whoever is killed") {
  const auto j = small_job(8);
  const auto calm = play(data_parallel(j));
  CHECK(calm.result.staleness.empty());
  const address first{.role = role_kind::layer_shard}, second{first.role, 0, 1};
  check_same(calm, play(data_parallel(j, {.replicas = 2}), {}, 0, {{first, 3}}));
  for (const char* schedule : {"1f1b", "zero-bubble"})
    check_same(calm,
               play(pipeline(j, {.stages = 3, .schedule = schedule}),
                    {{second, 3, 4}, {first, 5, 2}},
                    0,
                    {{first, 2}, {second, 4}}));
}

TEST_CASE("who can be slow, and how slow") {
  const auto w = data_parallel(small_job(2));
  const auto start = [&](const address& who, double factor) {
    return play(w, {}, 0, {{who, factor}});
  };
  const address shard{.role = role_kind::layer_shard};
  CHECK_ERROR(start(shard, 0.5), "cannot take 0.5 times as long");
  CHECK_ERROR(start({shard.role, 3}, 2), "nobody plays layer_shard/3");
  CHECK_ERROR(start({role_kind::director}, 2), "director has no kernels");
}

TEST_CASE("what is staler than the last of the counted counts with it") {
  staleness_count s;
  for (const std::uint64_t staleness : {0, 63, 64, 1000})
    s.add(staleness, 0);
  CHECK(s.updates.size() == staleness_count::updates_max);
  CHECK(s.updates.back() == 3);
  CHECK(s.most == 1000);
  CHECK(s.mean() == 1127 / 4.0);
}

TEST_CASE("corrections of staleness change the parameters, and learn") {
  const auto j = learning_job(150);
  for (const consistency& order :
       {consistency{.kind = consistency_kind::asynchronous, .staleness_aware = true},
        consistency{.kind = consistency_kind::asynchronous, .delay_compensation = 0.04F}}) {
    const auto r = play(parameter_server(j, {.workers = 3, .order = order}));
    check_whole(r, 150);
    check_learned(r);
  }
}

TEST_CASE(
    "stages that stash weights do what a plain loop with old weights does, whoever is killed") {
  const auto j = small_job(40, 2); // 16 steps an epoch
  const auto synchronous = play(data_parallel(j));
  for (const int stages : {1, 2, 4}) {
    CAPTURE(stages);
    const auto w = pipeline(j, {.stages = stages, .stash_weights = true});
    const auto calm = play(w);
    if (stages == 1)
      check_same(calm, synchronous);
    else
      CHECK(calm.digests != synchronous.digests);
    CHECK(calm.digests == play_sequentially(j, delays_of(w)).digests);
    check_same(calm, play(w));
    for (int stage = 0; stage < stages; ++stage)
      for (const int message : {1, 4}) {
        CAPTURE(stage);
        CAPTURE(message);
        const address who{.role = role_kind::layer_shard,
                          .stage = static_cast<std::uint16_t>(stage)};
        check_same(calm, play(w, {{who, 5, message}, {who, 17, message}}));
      }
  }
}

TEST_CASE(
    "a job that stashes weights resumes at an epoch's end, to the same bits, and nowhere else") {
  const auto j = small_job(40, 2); // 16 steps an epoch
  const auto w = pipeline(j, {.stages = 3, .stash_weights = true});
  const auto calm = play(w);
  const scratch_folder folder;
  const auto kept = cluster{}
                        .start(w,
                               {.checkpoint_folder = folder.path(),
                                .checkpoint_every = 8,
                                .checkpoints_kept = 10,
                                .evaluate = false})
                        .wait();
  CHECK(kept.parameter_digest == calm.result.parameter_digest);
  const auto resume = [&](const char* step) {
    return cluster{}
        .start(w, {.resume = folder.path() + "/step-000000" + step, .evaluate = false})
        .wait()
        .parameter_digest;
  };
  CHECK(resume("16") == calm.result.parameter_digest);
  CHECK_THROWS_WITH_AS(resume("24"), doctest::Contains("resume from step 16"), error);
}

TEST_CASE("replicas of stages that stash weights share their updates") {
  const auto j = small_job(20, 4);
  const auto one = play(pipeline(j, {.stages = 3, .stash_weights = true}));
  check_same(one, play(hybrid(j, {.replicas = 2, .stages = 3, .stash_weights = true})));
}
