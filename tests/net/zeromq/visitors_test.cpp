#include "net/zeromq/visitors.hpp"

#include <doctest/doctest.h>

namespace {

using namespace troupe::net;

TEST_CASE("a visitor is one connection from its first word to its end") {
  visitors all;
  CHECK(all.find("a") == 0);
  CHECK(all.enter("a", 5, 1) == 0);
  CHECK(all.enter("b", 6, 2) == 0);
  CHECK(all.find("a") == 1);
  CHECK(*all.route_of(2) == "b");
  CHECK(all.leave(5) == 1);
  CHECK(all.leave(5) == 0);
  CHECK(all.find("a") == 0);
  CHECK(all.route_of(1) == nullptr);
  CHECK(all.find("b") == 2);
}

TEST_CASE("who takes a descriptor over ends the connection that had it") {
  visitors all;
  all.enter("a", 5, 1);
  CHECK(all.enter("b", 5, 2) == 1); // nobody said that a left
  CHECK(all.find("a") == 0);
  CHECK(all.leave(5) == 2);
}

TEST_CASE("who is sent away too often is not heard until it leaves") {
  visitors all;
  for (connection c = 1; c <= visitors::chances; ++c) {
    REQUIRE(all.may_enter("a"));
    all.enter("a", 5, c);
    all.forget(c);
    CHECK(all.find("a") == 0);
  }
  CHECK_FALSE(all.may_enter("a"));
  CHECK(all.leave(5) == 0);
  CHECK(all.may_enter("a"));
}

TEST_CASE("nothing is kept of a visitor without descriptor that was sent away") {
  visitors all;
  for (connection c = 1; c < 100; ++c) {
    all.enter("a", -1, c);
    all.forget(c);
  }
  CHECK(all.may_enter("a"));
}

} // namespace
