// Replicas of unequal speed: shares that are dealt step by step, and backups. Who computes what
// depends on the clock, the bits do not.
#include "src/small_jobs.hpp"
#include "support/error_of.hpp"
#include "troupe/dealing.hpp"
#include "troupe/price.hpp"
#include "troupe/wiring_file.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <string>

using namespace troupe;
using namespace troupe::test;

namespace {

address shard(std::uint32_t replica, std::uint16_t stage = 0) {
  return {.role = role_kind::layer_shard, .replica = replica, .stage = stage};
}

// Each step's shares are the batch, one behind the other, and the backups compute one of them.
void check_shares(const log_of_run& run, std::uint32_t microbatches, std::size_t replicas) {
  REQUIRE(!run.shares.empty());
  for (const auto& shares : run.shares) {
    REQUIRE(shares.size() >= replicas);
    std::uint32_t next = 0;
    for (std::size_t r = 0; r < shares.size(); ++r) {
      if (r < replicas) {
        CHECK(shares[r].run.first == next);
        CHECK(shares[r].run.count >= 1);
        next += shares[r].run.count;
        continue;
      }
      bool known = false;
      for (std::size_t other = 0; other < replicas; ++other)
        known = known || shares[other].run == shares[r].run;
      CHECK(known);
    }
    CHECK(next == microbatches);
  }
}

std::string told(const job& j, const hybrid_options& o) {
  return error_of([&] { hybrid(j, o); });
}

std::string told(const job& j, const hybrid_options& o, const std::function<void(wiring&)>& edit) {
  auto w = hybrid(j, o);
  edit(w);
  std::string out;
  for (const auto& m : mistakes_of(w))
    out += std::string(error(m).what()) + "\n";
  return out;
}

} // namespace

TEST_CASE("replicas of unequal speed get unequal shares and give the bits of one") {
  const auto j = small_job(12, 8);
  const auto calm = play(data_parallel(j));
  const auto run =
      play(data_parallel(j, {.replicas = 2, .balance_shares = true}), {}, 0, {{shard(1), 20}});
  check_same(calm, run);
  check_shares(run, 8, 2);
  CHECK(text(run.shares.front()) == "4:4");
  CHECK(run.shares.back()[0].run.count > run.shares.back()[1].run.count);
  CHECK(run.result.shares == run.shares.back());
  CHECK(run.result.overtaken == 0);
}

TEST_CASE("a replica that is slow now holds nobody up where a backup does its work") {
  const auto j = small_job(12, 4);
  const auto calm = play(data_parallel(j));
  const auto run = play(data_parallel(j, {.replicas = 2, .backups = 1}), {}, 0, {{shard(1), 1000}});
  check_same(calm, run);
  check_shares(run, 4, 2);
  CHECK(run.result.overtaken > 0);
  CHECK(std::any_of(run.shares.begin(), run.shares.end(), [](const auto& dealt) {
    return text(dealt) == "2:2, replica 2 as replica 1"; // but while others keep replica 0 waiting
  }));
}

TEST_CASE("a slow backup holds nobody up") {
  const auto j = small_job(6, 4);
  const auto calm = play(data_parallel(j));
  check_same(calm,
             play(data_parallel(j, {.replicas = 2, .backups = 1}), {}, 0, {{shard(2), 1000}}));
}

TEST_CASE("balance and backups change no bit under any topology, whoever is slow") {
  const auto j = small_job(5, 8);
  const auto calm = play(data_parallel(j));
  for (const auto& name : schedule_names())
    for (const int backups : {0, 1, 3})
      for (const bool balance : {false, true}) {
        if (!balance && backups == 0) continue;
        CAPTURE(name);
        CAPTURE(backups);
        CAPTURE(balance);
        const auto w = hybrid(j,
                              {.replicas = 2,
                               .stages = 2,
                               .holders = backups,
                               .balance_shares = balance,
                               .backups = backups,
                               .schedule = name,
                               .chunks = name == "interleaved" ? 2 : 1,
                               .recompute = balance});
        REQUIRE(mistakes_of(w).empty());
        const auto run = play(w, {}, 0, {{shard(0, 1), 6}, {shard(1, 0), 3}});
        check_same(calm, run);
        check_shares(run, 8, 2);
      }
}

TEST_CASE("one microbatch for each replica leaves nothing to balance, and changes no bit") {
  const auto j = small_job(4, 4);
  const auto calm = play(data_parallel(j));
  for (const int backups : {0, 2}) {
    const auto run =
        play(data_parallel(j, {.replicas = 4, .balance_shares = true, .backups = backups}),
             {},
             0,
             {{shard(2), 5}});
    check_same(calm, run);
    check_shares(run, 4, 4);
    CHECK(text(run.shares.back()).starts_with("1:1:1:1"));
  }
}

TEST_CASE("one replica with a backup is one that may be slow") {
  const auto j = small_job(5, 4);
  const auto calm = play(data_parallel(j));
  check_same(calm, play(data_parallel(j, {.backups = 1}), {}, 0, {{shard(0), 500}}));
  check_same(calm, play(hybrid(j, {.stages = 3, .backups = 1}), {}, 0, {{shard(0, 1), 500}}));
}

TEST_CASE("compressed nodes are dealt whole, sliced layers in every slice") {
  auto j = small_job(5, 8);
  j.compression = make_codec("int8");
  j.compressed_microbatches = 2;
  const auto calm = play(data_parallel(j));
  const auto run = play(data_parallel(j, {.replicas = 2, .balance_shares = true, .backups = 1}),
                        {},
                        0,
                        {{shard(0), 20}});
  check_same(calm, run);
  check_shares(run, 8, 2);
  for (const auto& shares : run.shares)
    CHECK(shares[1].run.first % 2 == 0);

  auto sliced = small_job(4, 4);
  sliced.slices = {{"7", 2}};
  const auto whole = play(data_parallel(sliced));
  check_same(
      whole,
      play(hybrid(sliced,
                  {.replicas = 2, .balance_shares = true, .backups = 1, .spread_slices = true}),
           {},
           0,
           {{shard(1), 5}}));
}

TEST_CASE("a killed actor changes no bit where shares are dealt and backups compute") {
  const auto j = small_job(5, 8);
  const auto calm = play(data_parallel(j));
  const auto w = data_parallel(j, {.replicas = 2, .balance_shares = true, .backups = 1});
  const address victims[] = {shard(0),
                             shard(1),
                             shard(2),
                             {.role = role_kind::data_loader, .replica = 2},
                             {.role = role_kind::gradient_aggregator}};
  for (const auto& who : victims) {
    int killed = 0;
    for (int message = 1; message <= 60; ++message) {
      CAPTURE(who.text());
      CAPTURE(message);
      const auto run = play(w, {{who, 2, message}}, 0, {{shard(1), 3}});
      check_same(calm, run);
      if (run.result.restarts == 0) break;
      ++killed;
    }
    CHECK(killed >= 2);
  }
}

TEST_CASE("a killed stage changes no bit where pipelines are dealt their shares") {
  const auto j = small_job(4, 4);
  const auto calm = play(data_parallel(j));
  const auto w = hybrid(j, {.replicas = 2, .stages = 2, .balance_shares = true, .backups = 1});
  for (const auto& who : {shard(0, 1), shard(2, 0)})
    for (int message = 1; message <= 30; ++message) {
      CAPTURE(who.text());
      CAPTURE(message);
      const auto run = play(w, {{who, 2, message}, {shard(1, 0), 1, 3}}, 0, {{shard(1, 1), 4}});
      check_same(calm, run);
    }
}

TEST_CASE("what cannot be dealt step by step is refused with the reason") {
  const auto j = small_job(2);
  CHECK(told(j, {.replicas = 2, .groups = 2, .balance_shares = true}) ==
        "the shares of groups are not dealt step by step\n"
        "  --> --balance, --groups\n"
        "  the aggregators of a group add the sums of the same microbatches in every step\n"
        "  help: leave --balance out, or leave --groups out");
  CHECK(contains(told(j, {.backups = 1, .order = {.kind = consistency_kind::asynchronous}}),
                 "the shares of workers are not dealt"));
  CHECK(contains(told(j, {.stages = 2, .balance_shares = true, .stash_weights = true}),
                 "the shares of stages that stash weights are not dealt"));
  auto residuals = j;
  residuals.compression = make_codec("1-bit");
  CHECK(contains(told(residuals, {.replicas = 2, .backups = 1}), "error feedback"));
  CHECK(contains(told(j, {.backups = -1}), "-1 backups cannot help"));
}

TEST_CASE("replicas compute the same only as backups") {
  const auto j = small_job(2);
  const auto edit = [](const char* who, auto change) {
    return [=](wiring& w) {
      for (auto& r : w.roles)
        if (r.where == parse_address(who)) change(r);
    };
  };
  const hybrid_options one_more{.replicas = 2, .backups = 1};
  CHECK(told(j, one_more, [](wiring&) {}).empty());
  CHECK(contains(told(j, one_more, edit("layer_shard/2", [](auto& r) { r.backup = false; })),
                 "microbatch 0 is computed twice"));
  CHECK(contains(told(j,
                      one_more,
                      edit("layer_shard/2",
                           [](auto& r) {
                             r.microbatches = {1, 2};
                           })),
                 "backup 2 computes what no replica computes\n"
                 "  --> replica 2\n"
                 "  it has microbatches 1 to 2"));
  CHECK(contains(told(j, one_more, edit("layer_shard/1", [](auto& r) { r.backup = true; })),
                 "microbatches 2 to 3 are computed by nobody"));
  CHECK(contains(told(j,
                      {.replicas = 2, .stages = 2, .backups = 1},
                      edit("layer_shard/2/1", [](auto& r) { r.backup = false; })),
                 "one half of replica 2 is a backup"));
  CHECK(contains(told(j,
                      {.replicas = 2, .balance_shares = true},
                      edit("layer_shard/0", [](auto& r) { r.schedule.resize(4); })),
                 "microbatch 2 of part 0 has no forward"));
}

TEST_CASE("a wiring with backups is printed, priced and played from its file") {
  const auto j = small_job(3, 8);
  const auto w = data_parallel(j, {.replicas = 2, .balance_shares = true, .backups = 1});
  CHECK(w.name == "data_parallel(2 replicas, 2 parameter holders, 1 backup, balanced)");
  CHECK(contains(w.text(), "layer_shard/2/0          node 2   microbatches 0..3  backup"));
  CHECK(schedule_of(w, 0).microbatches == 4);
  CHECK(longest_schedule_of(w, 0).microbatches == 8);
  const auto price = price_of(w);
  CHECK(price.shards.size() == 3);
  CHECK(price.shards[2].flops == price.shards[0].flops);
  const auto again = parse_wiring(to_json(w), j);
  CHECK(again.replicas == 2);
  CHECK(again.backups() == 1);
  check_same(play(data_parallel(j)), play(again));
}
