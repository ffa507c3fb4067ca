#include "cli/simulation_options.hpp"

#include "cli/command_line.hpp"
#include "cli/mistakes.hpp"
#include "cli/simulation_table.hpp"
#include "support/scratch_folder.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace troupe;
using namespace troupe::cli;
using namespace std::chrono_literals;

namespace {

simulation_options options(std::vector<std::string> words) {
  words.insert(words.begin(), "simulate");
  return simulation_options_of(parse_command_line(words, nullptr).values);
}

std::string wrong_of(std::vector<std::string> words) {
  try {
    options(std::move(words));
  } catch (const mistakes& wrong) {
    CHECK(wrong.code() == exit_usage);
    return wrong.what();
  }
  return "";
}

} // namespace

TEST_CASE("links are read as people say them, for all and for one") {
  const auto m = options({"--link",
                          "1 ms, 10 Gbit/s, jitter 20us, loss 2 %, duplicates 0.1, timeout 50 ms",
                          "--link",
                          "0->2: 20 ms",
                          "--link",
                          "1-3: 500 MB/s"})
                     .cluster.model;
  CHECK(m.link.latency == 1ms);
  CHECK(m.link.bytes_per_second == 1.25e9);
  CHECK(m.link.jitter == 20us);
  CHECK(m.link.loss == doctest::Approx(0.02));
  CHECK(m.link.duplicates == 0.1);
  CHECK(m.link.resend_after == 50ms);
  REQUIRE(m.links.size() == 3);
  CHECK(m.links.at({0, 2}).latency == 20ms);
  CHECK(m.links.at({0, 2}).bytes_per_second == 1.25e9); // the rest as of all
  CHECK(m.links.at({1, 3}).bytes_per_second == 5e8);
  CHECK(m.links.at({3, 1}).bytes_per_second == 5e8);
}

TEST_CASE("nodes are read as people say them, for all and for one") {
  const auto m =
      options({"--node", "2x slower, 4 cores", "--node", "7: 1 core, 4x faster"}).cluster.model;
  CHECK(m.node.cores == 4);
  CHECK(m.node.slowness == 2);
  CHECK(m.nodes.at(7).cores == 1);
  CHECK(m.nodes.at(7).slowness == 0.25);
}

TEST_CASE("events come from the command line and from a scenario") {
  const test::scratch_folder folder;
  const auto path =
      folder.write("storm.txt",
                   "# a storm\n\n 30 ms  kill layer_shard/1/0 # dies\n40us pause 1\n"
                   "1.5 s resume 1\n50 ms slow 0 x2.5\n60 ms cut 0->1\n80ms heal 0 - 1\n");
  const auto m =
      options({"--event", "3 ns cut 4->5", "--scenario", path, "--world-seed", "9", "--any-order"})
          .cluster.model;
  CHECK(m.seed == 9);
  CHECK(m.order == exploration::anything);
  REQUIRE(m.faults.size() == 8);
  CHECK(m.faults[0].when == 3ns);
  CHECK(std::get<cut_fault>(m.faults[0].what).to == 5);
  CHECK(m.faults[1].when == 30ms);
  CHECK(std::get<kill_fault>(m.faults[1].what).who.text() == "layer_shard/1/0");
  CHECK(m.faults[2].when == 40us);
  CHECK(std::get<pause_fault>(m.faults[2].what).node == 1);
  CHECK(m.faults[3].when == 1500ms);
  CHECK(std::get<slow_fault>(m.faults[4].what).factor == 2.5);
  CHECK(std::get<cut_fault>(m.faults[5].what).from == 0);
  CHECK(std::get<heal_fault>(m.faults[6].what).from == 0);
  CHECK(std::get<heal_fault>(m.faults[7].what).from == 1);
}

TEST_CASE("every mistake of a simulated cluster's options is told, with its place") {
  const test::scratch_folder folder;
  const auto path = folder.write("storm.txt", "30 ms kill layer_shart/1\n\n30 parsecs pause 1\n");
  const auto told = wrong_of({"--link",
                              "fast",
                              "--link",
                              "0>1: 3 ms",
                              "--node",
                              "4 legs",
                              "--node",
                              "x: 4 cores",
                              "--event",
                              "3 ms dance 1",
                              "--scenario",
                              path,
                              "--gflops",
                              "0",
                              "--costs",
                              "guessed"});
  for (const char* part : {"'fast' does not say how a link is",
                           "'0>1' does not name a link",
                           "'4 legs' does not say how a node is",
                           "'x' is no node",
                           "'3 ms dance 1' is no event",
                           "storm.txt:1",
                           "storm.txt:3",
                           "gflops 0 is out of range",
                           "counted or measured"})
    CHECK_MESSAGE(told.find(part) != std::string::npos, part, " in\n", told);
  CHECK(wrong_of({"--scenario", "/no/such/file"}).find("/no/such/file") != std::string::npos);
}

TEST_CASE("the step time that is told is the middle one") {
  step_times steps;
  CHECK(steps.median() == 0);
  for (const double at : {5.0, 6.0, 8.0})
    steps.add(at);
  CHECK(steps.median() == 2);
}
