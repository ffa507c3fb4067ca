#include "actors/shard_shares.hpp"

#include <doctest/doctest.h>

using namespace troupe;

TEST_CASE("a wired share is that of every step") {
  shard_shares s(shard_share{{2, 2}, {{2, 2}}});
  s.deal(3, {0, 1});
  for (const std::uint64_t step : {0, 3, 99}) {
    REQUIRE(s.of(step));
    CHECK(s.of(step)->run == tree_span{2, 2});
  }
}

TEST_CASE("a dealt share has the sums of its run") {
  shard_shares s(8, {});
  CHECK_FALSE(s.of(0));
  s.deal(0, {0, 3});
  REQUIRE(s.of(0));
  CHECK(s.of(0)->spans == std::vector<tree_span>{{0, 2}, {2, 1}});
  s.deal(1, {0, 3});
  CHECK(s.of(1) == s.of(0)); // the same one
  s.deal(2, {3, 1});
  CHECK(s.of(2)->spans == std::vector<tree_span>{{3, 1}});
  s.deal(3, {0, 0}); // nothing was said
  CHECK_FALSE(s.of(3));
  s.forget_before(2);
  CHECK_FALSE(s.of(1));
  CHECK(s.of(2));
}

TEST_CASE("a dealt share hands on what is compressed in one") {
  shard_shares s(8, tree_nodes(8, 2));
  s.deal(0, {2, 4});
  CHECK(s.of(0)->spans == std::vector<tree_span>{{2, 2}, {4, 2}});
}
