#include "troupe/node_links.hpp"

#include <doctest/doctest.h>

namespace troupe::test {

namespace {

net::node_options patience_of(std::uint32_t nodes, std::uint32_t cores, const char* coordinator) {
  net::node_options out;
  const node_place place{.count = nodes, .coordinator = coordinator};
  allow_for_crowd(out, place, cores);
  return out;
}

} // namespace

TEST_CASE("links are patient in proportion where many processes share a machine") {
  using namespace std::chrono_literals;
  for (const char* here : {"ipc:///tmp/socket", "tcp://127.0.0.1:5555", "tcp://localhost:5555"}) {
    CAPTURE(here);
    CHECK(patience_of(16, 2, here).give_up_after == 1s);
    const auto crowd = patience_of(64, 2, here);
    CHECK(crowd.give_up_after == 4s);
    CHECK(crowd.link.silent_after == 2400ms);
    CHECK(crowd.link.heartbeat == 800ms);
    CHECK(patience_of(64, 32, here).give_up_after == 1s);
  }
  CHECK(patience_of(64, 2, "tcp://10.0.0.1:5555").give_up_after == 1s);
  CHECK(patience_of(8, 0, "ipc:///tmp/socket").give_up_after == 1s);
}

} // namespace troupe::test
