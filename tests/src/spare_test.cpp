#include "support/error_of.hpp"
#include "troupe/cluster_environment.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <array>
#include <string>

namespace troupe {

namespace {

const environment_variables by_launch = {{"TROUPE_RANK", "1"},
                                         {"TROUPE_WORLD", "4"},
                                         {"TROUPE_COORDINATOR", "ipc:///tmp/x"},
                                         {"TROUPE_KEYS", "keys/node-1.secret"}};

// A spare that hears this, and then nothing more.
node_place spare_that_hears(const std::string& words) {
  std::array<int, 2> ends{};
  REQUIRE(::pipe(ends.data()) == 0);
  REQUIRE(::write(ends[1], words.data(), words.size()) == static_cast<ssize_t>(words.size()));
  ::close(ends[1]);
  auto variables = by_launch;
  variables["TROUPE_SPARE"] = std::to_string(ends[0]);
  auto out = place_in(variables);
  CHECK(out.spare == ends[0]);
  return out;
}

} // namespace

TEST_CASE("a spare becomes the node that it is told") {
  auto place = spare_that_hears(
      "TROUPE_RANK=3\nTROUPE_RESTART=2\nTROUPE_KEYS=keys/node-3.secret\noutput=\n");
  settle(place);
  CHECK(place.number == 3);
  CHECK(place.local_number == 3);
  CHECK(place.restarts == 2);
  CHECK(place.keys == "keys/node-3.secret");
  CHECK(place.count == 4);
  CHECK(place.coordinator == "ipc:///tmp/x");
  CHECK(place.spare == -1);
}

TEST_CASE("a spare that nobody needs says so") {
  auto place = spare_that_hears("");
  CHECK_ERROR(settle(place), "this spare was not needed");
}

TEST_CASE("who is no spare does not wait") {
  auto place = place_in(by_launch);
  CHECK(place.spare == -1);
  settle(place);
  CHECK(place.number == 1);
}

} // namespace troupe
