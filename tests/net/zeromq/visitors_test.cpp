#include "net/zeromq/visitors.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

using namespace troupe::net;

TEST_CASE("a visitor is one connection from its first word to its end") {
  visitors all;
  CHECK(all.find("a") == 0);
  all.enter("a", 5, 1);
  all.enter("b", 6, 2);
  CHECK(all.find("a") == 1);
  CHECK(all.way_to(2)->route == "b");
  CHECK(all.leave(5) == std::vector<connection>{1});
  CHECK(all.leave(5).empty());
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

TEST_CASE("words of a connection that has ended do not end the next one with its descriptor") {
  visitors all;
  all.enter("old", 5, 1);
  CHECK(all.leave(5) == std::vector<connection>{1});
  all.enter("new", 5, 2);
  all.enter("old", 5, 3); // what ZeroMQ had not yet handed over
  CHECK(all.find("new") == 2);
  CHECK(all.way_to(2)->route == "new");
  all.forget(3);
  CHECK(all.find("new") == 2);
  all.enter("old", 5, 4);
  CHECK(all.leave(5) == std::vector<connection>{2, 4});
  CHECK(all.find("new") == 0);
  CHECK(all.leave(5).empty());
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
  CHECK(all.leave(5).empty());
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
