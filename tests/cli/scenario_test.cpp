#include "cli/scenario.hpp"

#include "cli/command_line.hpp"
#include "cli/mistakes.hpp"
#include "cli/simulation_options.hpp"
#include "support/scratch_folder.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

using namespace troupe;
using namespace troupe::cli;
using namespace std::chrono_literals;

namespace {

simulated_cluster read(const std::string& text) {
  simulated_cluster out;
  std::vector<error_text> wrong;
  std::vector<injected_fault> others;
  read_scenario(text, "storm.toml", out, others, wrong);
  CHECK(others.empty());
  CHECK_MESSAGE(wrong.empty(), report(wrong));
  return out;
}

std::string wrong_of(const std::string& text) {
  simulated_cluster out;
  std::vector<error_text> wrong;
  std::vector<injected_fault> others;
  read_scenario(text, "storm.toml", out, others, wrong);
  return report(wrong);
}

void check_told(const std::string& text, const std::vector<const char*>& parts) {
  const auto told = wrong_of(text);
  for (const char* part : parts)
    CHECK_MESSAGE(told.find(part) != std::string::npos, part, " in\n", told);
}

} // namespace

TEST_CASE("a scenario describes a whole cluster and what happens to it") {
  const auto c = read(R"(
seed = 7
any_order = true
[[links]]                # before what holds for all
between = "0-1"
latency = "20 ms"
[node]
count = 8
cores = 4
speed = "2x slower"
port = "25 Gbit/s"
memory = "8 GB"
[[nodes]]
node = [3, 4]
speed = "2x faster"
[[nodes]]
node = 5
port = "1 Gbit/s"
[link]
latency = "100 us"
bandwidth = "10 Gbit/s"
jitter = "20 us"
loss = "1 %"
duplicates = 0.02
timeout = "50 ms"
[racks]
nodes = 4
bandwidth = "100 Gbit/s"
latency = "2 us"
[[event]]
at = "80 ms"
heal = "rack 1"
[[event]]
kill = 3
at = "30 ms"
)");
  const auto& m = c.model;
  CHECK(m.seed == 7);
  CHECK(m.order == exploration::anything);
  CHECK(c.nodes == 8);
  CHECK(m.node.cores == 4);
  CHECK(m.node.slowness == 2);
  CHECK(m.node.bytes_per_second == 25e9 / 8);
  CHECK(m.node.memory_bytes == 8'000'000'000);
  CHECK(m.nodes.size() == 3);
  CHECK(m.nodes.at(4).slowness == 0.5);
  CHECK(m.nodes.at(4).cores == 4);
  CHECK(m.nodes.at(5).bytes_per_second == 1e9 / 8);
  CHECK(m.link.latency == 100us);
  CHECK(m.link.bytes_per_second == 10e9 / 8);
  CHECK(m.link.jitter == 20us);
  CHECK(m.link.loss == 0.01);
  CHECK(m.link.duplicates == 0.02);
  CHECK(m.link.resend_after == 50ms);
  CHECK(m.links.size() == 2);
  CHECK(m.links.at({1, 0}).latency == 20ms);
  CHECK(m.links.at({1, 0}).loss == 0.01);
  CHECK(m.racks.nodes == 4);
  CHECK(m.racks.bytes_per_second == 100e9 / 8);
  CHECK(m.racks.latency == 2us);
  REQUIRE(m.faults.size() == 2);
  CHECK(m.faults[0].when == 80ms);
  CHECK(std::get<reconnect_fault>(m.faults[0].what).number == 1);
  CHECK(m.faults[1].when == 30ms);
  CHECK(std::get<kill_node_fault>(m.faults[1].what).node == 3);
  CHECK(m.faults[1].where == "storm.toml:34:8");
}

TEST_CASE("every event of the command line is one of a scenario, in the same words") {
  for (const char* said : {"kill layer_shard/1",
                           "kill node 3",
                           "leave 2",
                           "join 2",
                           "pause 1",
                           "resume 1",
                           "slow 0 x3",
                           "cut 0->1",
                           "heal 0-1",
                           "cut node 2",
                           "heal rack 0"}) {
    CAPTURE(said);
    const std::string words = said;
    const auto blank = words.find(' ');
    const auto c = read("[[event]]\nat = \"30 ms\"\n" + words.substr(0, blank) + " = \"" +
                        words.substr(blank + 1) + "\"\n");
    const auto line = parse_command_line({"simulate", "--event", "30 ms " + words}, nullptr);
    const auto expected = simulation_options_of(line.values).cluster.model.faults;
    REQUIRE(c.model.faults.size() == expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i)
      CHECK(c.model.faults[i].what.index() == expected[i].what.index());
  }
}

TEST_CASE("what the command line says goes before the scenario") {
  const test::scratch_folder folder;
  const auto path =
      folder.write("storm.toml",
                   "seed = 7\n[node]\ncount = 4\ncores = 8\n[link]\nlatency = \"1 ms\"\n"
                   "bandwidth = \"1 Gbit/s\"\n[[event]]\nat = \"1 s\"\nkill = 1\n");
  const auto of = [&](std::vector<std::string> words) {
    words.insert(words.begin(), {"simulate", "--scenario", path});
    return simulation_options_of(parse_command_line(words, nullptr).values).cluster;
  };
  CHECK(of({}).model.seed == 7);
  CHECK(of({}).nodes == 4);
  const auto c =
      of({"--world-seed", "9", "--nodes", "2", "--link", "5 ms", "--event", "3 ms leave 1"});
  CHECK(c.model.seed == 9);
  CHECK(c.nodes == 2);
  CHECK(c.model.node.cores == 8);
  CHECK(c.model.link.latency == 5ms);
  CHECK(c.model.link.bytes_per_second == 1e9 / 8);
  CHECK(c.model.faults.size() == 2);
}

TEST_CASE("every mistake of a scenario is told at once, with file, line, column and a cure") {
  const std::string text = R"(sed = 7
seed = "seven"
any_order = 1
node = 3
[link]
latency = "30 parsecs"
bandwidth = 10
loss = "much"
[[links]]
latency = "1 ms"
[[nodes]]
cores = 0
[[nodes]]
speed = "slow"
[racks]
nodes = 2
uplink = "1 Gbit/s"
[[event]]
kill = "layer_shard/1"
[[event]]
at = "30 ms"
[[event]]
at = "30 ms"
kill = "layer_shart/1"
pause = 1
[[event]]
at = "-3 ms"
leave = "home"
[[event]]
at = "3 ms"
dance = 1
join = true
)";
  check_told(text,
             {"'sed' is not known here\n  --> storm.toml:1:1",
              "did you mean 'seed'?",
              "seed is not a number of 0 to",
              "storm.toml:2:8",
              "any_order is true or false\n  --> storm.toml:3:13",
              "node is one table\n  --> storm.toml:4:8",
              "latency '30 parsecs' is not understood\n  --> storm.toml:6:11",
              "latency = \"100 us\"",
              "bandwidth is text, with its unit\n  --> storm.toml:7:13",
              "loss 'much' is not understood\n  --> storm.toml:8:8",
              "links without ends\n  --> storm.toml:9:1",
              "cores is not a number of 1 to",
              "speed 'slow' is not understood\n  --> storm.toml:14:9",
              "'uplink' is not known here\n  --> storm.toml:17:1",
              "an event without a time\n  --> storm.toml:18:1",
              "an event in which nothing happens\n  --> storm.toml:20:1",
              "an event with two verbs: kill and pause\n  --> storm.toml:25:9",
              "storm.toml:24:8", // the role that nobody knows
              "at '-3 ms' is not understood\n  --> storm.toml:27:6",
              "'leave home' is not understood\n  --> storm.toml:28:9",
              "'dance' is not known here\n  --> storm.toml:31:1",
              "join says to whom\n  --> storm.toml:32:8"});
  const auto told = wrong_of(text);
  CHECK(told.find("storm.toml:1:1") < told.find("storm.toml:2:8")); // in the order of lines
  CHECK(std::count(told.begin(), told.end(), '>') >= 20);
  check_told("[[node]]\ncores = 2\n", {"node is one table", "[[nodes]]"});
  check_told("[event]\nat = \"1 s\"\n", {"event are tables", "[[event]]"});
  check_told("nodes = 4\n", {"nodes are tables"});
}

TEST_CASE("what is no TOML is told with its place") {
  check_told("seed = 7\n[[event]]\nat = 30 ms\n", {"storm.toml:3:", "not TOML"});
  check_told("seed = 1\nseed = 2\n", {"storm.toml:2:"});
  CHECK(wrong_of("") == "");
}
