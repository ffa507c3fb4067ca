#include "actors/share_dealer.hpp"

#include <doctest/doctest.h>

#include <cstdint>

using namespace troupe;

namespace {

address shard(std::uint32_t replica, std::uint16_t stage = 0) {
  return {.role = role_kind::layer_shard, .replica = replica, .stage = stage};
}

// Two replicas of four microbatches each, then backups.
share_dealer_options two(bool balance, std::size_t backups = 0) {
  share_dealer_options out{.wired = {{0, {0, 4}}, {1, {4, 4}}},
                           .backups = backups,
                           .balance = balance,
                           .units = tree_nodes(8, 1)};
  for (std::size_t b = 0; b < backups; ++b)
    out.wired.push_back({static_cast<std::uint32_t>(2 + b), {0, 4}});
  return out;
}

protocol::share_computed took(const address& who, double seconds, double microbatches = 1) {
  return {.step = 0, .who = who, .microbatches = microbatches, .seconds = seconds};
}

std::string dealt(share_dealer& d, std::uint64_t step) {
  d.deal(step);
  return text(d.shares_of_step(step));
}

} // namespace

TEST_CASE("a wiring without balance and backups is not dealt") {
  share_dealer d(two(false));
  CHECK_FALSE(d.deals());
  CHECK(dealt(d, 0).empty());
  CHECK(d.run_of(0, 1) == tree_span{0, 0});
}

TEST_CASE("shares are those of the wiring until every replica is measured") {
  share_dealer d(two(true));
  CHECK(dealt(d, 0) == "4:4");
  d.note(took(shard(0), 4, 4));
  CHECK(dealt(d, 1) == "4:4");
  d.note(took(shard(1), 12, 4));
  CHECK(dealt(d, 2) == "6:2");
  CHECK(d.run_of(2, 0) == tree_span{0, 6});
  CHECK(d.run_of(2, 1) == tree_span{6, 2});
}

TEST_CASE("a step is dealt once, and forgotten when it is committed") {
  share_dealer d(two(true));
  d.deal(5);
  d.note(took(shard(0), 1));
  d.note(took(shard(1), 3));
  CHECK(dealt(d, 5) == "4:4");
  CHECK(dealt(d, 6) == "6:2");
  d.forget_before(6);
  CHECK(d.shares_of_step(5).empty());
  CHECK(d.run_of(6, 1) == tree_span{6, 2});
}

TEST_CASE("shares stay while others would save little, and follow who recovers") {
  share_dealer d(two(true));
  d.note(took(shard(0), 1));
  d.note(took(shard(1), 1.2));
  CHECK(dealt(d, 0) == "4:4"); // 4.8 s; 5:3 takes 5 s
  for (int i = 0; i < 40; ++i)
    d.note(took(shard(1), 1.3)); // 5.2 s; 5:3 would save 4 %
  CHECK(dealt(d, 1) == "4:4");
  for (int i = 0; i < 40; ++i)
    d.note(took(shard(1), 9));
  CHECK(dealt(d, 2) == "7:1");
  for (int i = 0; i < 40; ++i)
    d.note(took(shard(1), 1));
  CHECK(dealt(d, 3) == "4:4");
}

TEST_CASE("a pipeline is as fast as its slowest stage") {
  share_dealer d(two(true));
  for (const auto& [who, seconds] : {std::pair{shard(0, 0), 1.0},
                                     std::pair{shard(0, 1), 1.0},
                                     std::pair{shard(1, 0), 0.5},
                                     std::pair{shard(1, 1), 3.0}})
    d.note(took(who, seconds));
  CHECK(dealt(d, 0) == "6:2");
}

TEST_CASE("what is compressed in one is dealt in one") {
  auto o = two(true);
  o.units = tree_nodes(8, 2);
  share_dealer d(o);
  CHECK(dealt(d, 0) == "4:4");
  d.note(took(shard(0), 1));
  d.note(took(shard(1), 2.9));
  CHECK(dealt(d, 1) == "6:2");
  d.note(took(shard(1), 1000));
  CHECK(dealt(d, 2) == "6:2");
}

TEST_CASE("backups do what the slowest does") {
  share_dealer d(two(false, 1));
  CHECK(dealt(d, 0) == "4:4, replica 2 as replica 0");
  d.note(took(shard(0), 1));
  d.note(took(shard(1), 2));
  CHECK(dealt(d, 1) == "4:4, replica 2 as replica 1");
  for (int i = 0; i < 20; ++i)
    d.note(took(shard(0), 3));
  CHECK(dealt(d, 2) == "4:4, replica 2 as replica 0");
  share_dealer many(two(false, 3));
  CHECK(dealt(many, 0) == "4:4, replica 2 as replica 0, replica 3 as replica 1, "
                          "replica 4 as replica 0");
}

TEST_CASE("a replica with a backup shares as the faster of the two") {
  share_dealer d(two(true, 1));
  d.note(took(shard(0), 1));
  d.note(took(shard(1), 20));
  CHECK(dealt(d, 0) == "7:1, replica 2 as replica 1");
  d.note(took(shard(2), 1));
  CHECK(dealt(d, 1) == "4:4, replica 2 as replica 1");
}

TEST_CASE("who was overtaken took at least so long") {
  share_dealer d(two(false, 1));
  d.note(took(shard(0), 2));
  d.note(took(shard(1), 1));
  CHECK(dealt(d, 0) == "4:4, replica 2 as replica 0");
  auto late = took(shard(1), 8);
  late.overtaken = true;
  d.note(late); // at once, where a finished one would be smoothed: 2.75 s
  late.seconds = 3;
  d.note(late); // and slowly back
  d.note(took(shard(0), 6));
  CHECK(dealt(d, 1) == "4:4, replica 2 as replica 1");
}
