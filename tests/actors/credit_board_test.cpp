#include "actors/credit_board.hpp"

#include <doctest/doctest.h>

using namespace troupe;

namespace {

const address first{.role = role_kind::layer_shard},
    second{.role = role_kind::layer_shard, .stage = 1},
    other{.role = role_kind::layer_shard, .replica = 1},
    holder{.role = role_kind::parameter_holder};

credit_board board() {
  return credit_board({{credit_kind::prefetch, first, 1, prefetch_max},
                       {credit_kind::depth, first, 2, 2},
                       {credit_kind::depth, second, 1, 1},
                       {credit_kind::depth, other, 4, 4},
                       {credit_kind::staleness, holder, 4}});
}

} // namespace

TEST_CASE("a dial tells who holds the credit, and nobody of what stays as it is") {
  auto b = board();
  CHECK(b.set({credit_kind::prefetch, {}, 1}).empty());
  const auto said = b.set({credit_kind::prefetch, {}, 4});
  REQUIRE(said.size() == 1);
  CHECK(said[0].to == first);
  CHECK(said[0].content.prefetch == 4);
  CHECK(said[0].content.depth == 0);
  CHECK(b.set({credit_kind::prefetch, second, 2}).empty());
  const auto bound = b.set({credit_kind::staleness, {}, 0});
  REQUIRE(bound.size() == 1);
  CHECK(bound[0].to == holder);
  CHECK(bound[0].content.staleness == 0);
}

TEST_CASE("a new incarnation is told all of its credit, the newest") {
  auto b = board();
  CHECK(b.of(first).revision == 0);
  b.set({credit_kind::prefetch, {}, 4});
  b.set({credit_kind::depth, first, 1});
  b.set({credit_kind::prefetch, first, 0});
  const auto all = b.of(first);
  CHECK(all.prefetch == 0);
  CHECK(all.depth == 1);
  CHECK(all.revision == 3);
  CHECK(b.of(second).revision == 2);
  CHECK(b.of({.role = role_kind::director}).revision == 0);
}

TEST_CASE("where one shard of a replica keeps less than its schedule, none follows its list") {
  auto b = board();
  auto said = b.set({credit_kind::depth, first, 1});
  REQUIRE(said.size() == 2); // the other replica is not concerned
  CHECK(said[0].content.depth == 1);
  CHECK(said[1].to == second);
  CHECK(said[1].content.depth == 1);
  said = b.set({credit_kind::depth, first, 2});
  REQUIRE(said.size() == 2);
  CHECK(said[0].content.depth == 0);
  CHECK(said[1].content.depth == 0);
  said = b.set({credit_kind::depth, {}, 3}); // to each at most what its schedule keeps
  REQUIRE(said.size() == 1);
  CHECK(said[0].to == other);
  CHECK(said[0].content.depth == 3);
}
