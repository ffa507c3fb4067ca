// What layer shards need while they compute is what the wiring's price said before.
#include "troupe/shard_memory.hpp"

#include "src/small_jobs.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace troupe;
using namespace troupe::test;

namespace {

// Plays a few steps; every layer shard has told what it used, and it is what was predicted.
std::vector<memory_comparison> check_as_predicted(const wiring& w,
                                                  const std::vector<planned_kill>& kills = {}) {
  const auto run = play(w, kills);
  const auto all = compared(run.result.memory, price_of(w));
  CHECK(all.size() == w.of(role_kind::layer_shard).size());
  for (const auto& c : all) {
    CAPTURE(c.measured.where.text());
    CHECK(c.measured.in_flight == c.predicted.in_flight);
    CHECK(c.measured.program_bytes == c.predicted.program_bytes);
    CHECK(c.measured.program_bytes > 0);
  }
  return all;
}

} // namespace

TEST_CASE("every schedule keeps as many activations as were predicted, in as many bytes") {
  const auto j = small_job(3, 8);
  for (const char* order : {"gpipe", "1f1b", "interleaved", "zero-bubble"})
    for (const int stages : {2, 3})
      for (const int replicas : {1, 2})
        for (const bool recompute : {false, true}) {
          CAPTURE(order);
          CAPTURE(stages);
          CAPTURE(replicas);
          CAPTURE(recompute);
          const bool chunks = order == std::string("interleaved") && stages == 2;
          check_as_predicted(hybrid(j,
                                    {.replicas = replicas,
                                     .stages = stages,
                                     .schedule = order,
                                     .chunks = chunks ? 2 : 1,
                                     .recompute = recompute}));
        }
}

TEST_CASE("1F1B keeps as many microbatches as stages are left, GPipe all of them") {
  const auto j = small_job(2, 8);
  const auto eager = check_as_predicted(pipeline(j, {.stages = 4, .schedule = "gpipe"}));
  const auto lean = check_as_predicted(pipeline(j, {.stages = 4, .schedule = "1f1b"}));
  std::size_t eager_bytes = 0, lean_bytes = 0;
  for (int stage = 0; stage < 4; ++stage) {
    const auto at = static_cast<std::size_t>(stage);
    eager_bytes += eager[at].measured.program_bytes;
    lean_bytes += lean[at].measured.program_bytes;
    CHECK(eager[at].measured.in_flight == 8);
    CHECK(lean[at].measured.in_flight == 4 - stage);
    // Where tensors that cross are all that outlives a pass, programs in flight cost nothing.
    CHECK(lean[at].measured.program_bytes <= eager[at].measured.program_bytes);
  }
  CHECK(lean_bytes < eager_bytes);
}

TEST_CASE("killed layer shards and schedules of one's own use what was predicted, too") {
  const auto j = small_job(4, 4);
  const schedule own = parse_schedule("schedule own stages 2 parts 2 microbatches 4\n"
                                      "0: F0 F1 F2 B0 F3 B1 B2 B3\n"
                                      "1: F0 B0 F1 F2 B1 B2 F3 B3\n");
  const address second{.role = role_kind::layer_shard, .stage = 1};
  const auto all = check_as_predicted(pipeline(j, {.stages = 2, .own_schedule = own}),
                                      {{second, 1, 3}, {{.role = role_kind::layer_shard}, 2, 5}});
  CHECK(all[0].measured.in_flight == 3);
  CHECK(all[1].measured.in_flight == 2);
  auto sliced = j;
  sliced.slices = {{.layer = "7", .slices = 2}};
  check_as_predicted(hybrid(sliced, {.stages = 2, .spread_slices = true}));
  check_as_predicted(parameter_server(j, {.workers = 2, .stages = 2}));
}

TEST_CASE("stages that stash weights stay within what was predicted") {
  const auto w = pipeline(small_job(12, 2), {.stages = 3, .stash_weights = true});
  const auto all = compared(play(w).result.memory, price_of(w));
  REQUIRE(all.size() == 3);
  for (std::size_t stage = 0; stage < 3; ++stage) {
    CHECK(all[stage].predicted.in_flight == (stage == 2 ? 1 : 2 * (3 - static_cast<int>(stage))));
    CHECK(all[stage].measured.in_flight <= all[stage].predicted.in_flight);
    CHECK(all[stage].measured.program_bytes <= all[stage].predicted.program_bytes);
  }
  CHECK(all[0].measured.in_flight > 2); // of more than one step
  CHECK(all[2].measured.in_flight == 1);
}

TEST_CASE("memory is told in a line for each layer shard, of many in one") {
  const address first{.role = role_kind::layer_shard}, second{first.role, 0, 1};
  std::vector<memory_comparison> all = {{{first, 2, 5'000'000}, {first, 2, 5'000'000}},
                                        {{second, 1, 2'000'000}, {second, 3, 6'000'000}}};
  CHECK(text(all) ==
        "layer_shard/0/0   2 microbatches in flight, 5.0 MB: as predicted\n"
        "layer_shard/0/1   1 microbatch in flight, 2.0 MB: predicted 3 microbatches in flight, "
        "6.0 MB\n");
  all.resize(20, all.front());
  CHECK(text(all) ==
        "20 layer shards   2 microbatches in flight, 97.0 MB: predicted 3 microbatches "
        "in flight, 101.0 MB\n");
}

TEST_CASE("of what a layer shard tells the largest counts, whichever incarnation told it") {
  const address first{.role = role_kind::layer_shard}, second{first.role, 0, 1};
  std::vector<shard_memory> all;
  for (const protocol::memory_used& m :
       {protocol::memory_used{second, 1, 10}, {first, 3, 30}, {second, 2, 5}, {first, 1, 40}})
    note(all, m);
  CHECK(all == std::vector<shard_memory>{{first, 3, 40}, {second, 2, 10}});
}
