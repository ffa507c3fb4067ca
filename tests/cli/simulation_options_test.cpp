#include "cli/simulation_options.hpp"

#include "cli/simulation_words.hpp"
#include "support/scratch_folder.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace troupe;
using namespace troupe::cli;
using namespace std::chrono_literals;

TEST_CASE("links are read as people say them, for all and for one") {
  const auto m =
      simulation_of({"--link",
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
  const auto m = simulation_of({"--node", "2x slower, 4 cores", "--node", "7: 1 core, 4x faster"})
                     .cluster.model;
  CHECK(m.node.cores == 4);
  CHECK(m.node.slowness == 2);
  CHECK(m.nodes.at(7).cores == 1);
  CHECK(m.nodes.at(7).slowness == 0.25);
}

TEST_CASE("nodes have ports and memory, and stand in racks") {
  const auto m = simulation_of({"--node",
                                "25 Gbit/s, 8 GB",
                                "--node",
                                "3: 1 Gbit/s",
                                "--racks",
                                "40 nodes, 100 Gbit/s, 2 us"})
                     .cluster.model;
  CHECK(m.node.bytes_per_second == 25e9 / 8);
  CHECK(m.node.memory_bytes == 8'000'000'000);
  CHECK(m.nodes.at(3).bytes_per_second == 1e9 / 8);
  CHECK(m.nodes.at(3).memory_bytes == 8'000'000'000);
  CHECK(m.racks.nodes == 40);
  CHECK(m.racks.bytes_per_second == 100e9 / 8);
  CHECK(m.racks.latency == 2us);
}

TEST_CASE("events are read as people say them") {
  const auto events = [](const std::vector<std::string>& said) {
    std::vector<std::string> words;
    for (const auto& text : said) {
      words.emplace_back("--event");
      words.push_back(text);
    }
    return simulation_of(words).cluster.model.faults;
  };
  const auto f = events({"30 ms  kill layer_shard/1/0",
                         "40us pause 1",
                         "1.5 s resume node 1",
                         "50 ms slow 0 x2.5",
                         "60 ms cut 0->1",
                         "80ms heal 0 - 1",
                         "1 ms kill node 3",
                         "1 ms kill 4",
                         "1 ms leave 2",
                         "2 ms join 2",
                         "3 ms cut node 5",
                         "4 ms heal rack 6"});
  REQUIRE(f.size() == 13);
  CHECK(f[0].when == 30ms);
  CHECK(std::get<kill_fault>(f[0].what).who.text() == "layer_shard/1/0");
  CHECK(f[1].when == 40us);
  CHECK(std::get<pause_fault>(f[1].what).node == 1);
  CHECK(f[2].when == 1500ms);
  CHECK(std::get<resume_fault>(f[2].what).node == 1);
  CHECK(std::get<slow_fault>(f[3].what).factor == 2.5);
  CHECK(std::get<cut_fault>(f[4].what).to == 1);
  CHECK(std::get<heal_fault>(f[5].what).from == 0);
  CHECK(std::get<heal_fault>(f[6].what).from == 1);
  CHECK(std::get<kill_node_fault>(f[7].what).node == 3);
  CHECK(std::get<kill_node_fault>(f[8].what).node == 4);
  CHECK(std::get<leave_fault>(f[9].what).node == 2);
  CHECK(std::get<join_fault>(f[10].what).node == 2);
  CHECK(std::get<isolate_fault>(f[11].what).number == 5);
  CHECK(std::get<reconnect_fault>(f[12].what).what == whole::rack);
  CHECK(f[12].where == "--event 4 ms heal rack 6");
}

TEST_CASE("every mistake of a simulated cluster's options is told, with its place") {
  const auto told = wrong_of_simulation({"--link",   "fast",
                                         "--link",   "0>1: 3 ms",
                                         "--node",   "4 legs",
                                         "--node",   "x: 4 cores",
                                         "--racks",  "4 shelves",
                                         "--event",  "3 ms dance 1",
                                         "--event",  "30 parsecs pause 1",
                                         "--event",  "-3 ms pause 1",
                                         "--event",  "3 ms paus 1",
                                         "--event",  "3 ms leave home",
                                         "--event",  "3 ms kill layer_shart/1",
                                         "--gflops", "0",
                                         "--costs",  "guessed"});
  for (const char* part : {"'fast' does not say how a link is",
                           "'0>1' does not name a link",
                           "'4 legs' does not say how a node is",
                           "'x' is no node",
                           "'4 shelves' does not say how racks are",
                           "'dance' is nothing that happens",
                           "'30 parsecs pause 1' is no event",
                           "'-3 ms pause 1' is no event",
                           "did you mean 'pause'?",
                           "'leave home' is not understood",
                           "layer_shart",
                           "gflops 0 is out of range",
                           "counted or measured"})
    CHECK_MESSAGE(told.find(part) != std::string::npos, part, " in\n", told);
  CHECK(wrong_of_simulation({"--scenario", "/no/such/file"}).find("/no/such/file") !=
        std::string::npos);
}
