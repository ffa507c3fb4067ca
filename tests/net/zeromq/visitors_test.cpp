#include "net/zeromq/visitors.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

using namespace troupe::net;

TEST_CASE("a visitor is one connection from its first word to its end") {
  visitors all;
  CHECK(all.find("a") == 0);
  CHECK(all.enter("a", 5, 1) == 0);
  CHECK(all.enter("b", 6, 2) == 0);
  CHECK(all.find("a") == 1);
  CHECK(all.way_to(2)->route == "b");
  CHECK(all.leave(5) == 1);
  CHECK(all.leave(5) == 0);
  CHECK(all.find("a") == 0);
  CHECK(all.way_to(1) == nullptr);
  CHECK(all.find("b") == 2);
}

TEST_CASE("what comes over a file's socket has not left the machine") {
  visitors all;
  const int file = ::socket(AF_UNIX, SOCK_STREAM, 0), tcp = ::socket(AF_INET, SOCK_STREAM, 0);
  all.enter("a", file, 1);
  all.enter("b", tcp, 2);
  all.enter("c", -1, 3);
  CHECK_FALSE(all.way_to(1)->leaves_machine);
  CHECK(all.way_to(2)->leaves_machine);
  CHECK_FALSE(all.way_to(3)->leaves_machine);
  ::close(file);
  ::close(tcp);
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
