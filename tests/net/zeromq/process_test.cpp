#include "support/deadline.hpp"
#include "support/node_process.hpp"
#include "support/scratch_folder.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <string>

namespace {

using namespace troupe::net;
using namespace std::chrono_literals;
using troupe::test::deadline;
using troupe::test::live_node;
using troupe::test::node_process;

node_options listening(std::uint32_t number, const std::string& where) {
  node_options out = live_node::number(number);
  if (!where.empty()) out.listen = {where};
  return out;
}

TEST_CASE("a process that is killed is down within milliseconds, whoever dialled whom") {
  const troupe::test::scratch_folder folder;
  for (const bool it_dials : {true, false})
    for (const std::string& where :
         {"ipc://" + folder.file("socket"), std::string("tcp://127.0.0.1:*")}) {
      CAPTURE(it_dials);
      CAPTURE(where);
      node_process other(listening(1, it_dials ? "" : where)); // forks: before any thread
      const deadline end(30s, "a killed process");
      node_options mine = listening(0, it_dials ? where : "");
      if (!it_dials) mine.dial = {{other.meet(""), ""}};
      live_node here(mine);
      if (it_dials) other.meet(here.endpoint());
      REQUIRE(here.hears("up 1"));
      const auto killed = std::chrono::steady_clock::now();
      other.signal(SIGKILL);
      REQUIRE(here.hears("down 1: its process ended"));
      CHECK(std::chrono::steady_clock::now() - killed < 300ms); // a busy machine; else 1 or 2
    }
}

TEST_CASE("a process that is stopped is down within a second or so, and up again when it goes on") {
  node_process other(listening(1, ""));
  const deadline end(30s, "a stopped process");
  live_node here(listening(0, "tcp://127.0.0.1:*"));
  other.meet(here.endpoint());
  REQUIRE(here.hears("up 1"));
  const auto stopped = std::chrono::steady_clock::now();
  other.signal(SIGSTOP);
  REQUIRE(here.hears("down 1: no connection for 1.0 s"));
  CHECK(std::chrono::steady_clock::now() - stopped < 1500ms);
  std::this_thread::sleep_until(stopped + 3s);
  other.signal(SIGCONT);
  REQUIRE(here.hears("up 1", 2));
  CHECK(here.heard().size() == 3);
}

} // namespace
