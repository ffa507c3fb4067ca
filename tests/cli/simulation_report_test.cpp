// What is told of a simulation: table, JSON, charts.
#include "cli/command_line.hpp"
#include "cli/failures.hpp"
#include "cli/simulation_json.hpp"
#include "cli/simulation_plots.hpp"
#include "cli/simulation_table.hpp"
#include "support/scratch_folder.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <string>
#include <vector>

using namespace troupe;
using namespace troupe::cli;
using namespace std::chrono_literals;

namespace {

simulation_figures figures_of(std::vector<std::string> more) {
  std::vector<std::string> words = {"simulate",
                                    "--model",
                                    "mlp",
                                    "--data",
                                    "synthetic:512",
                                    "--batch",
                                    "16",
                                    "--steps",
                                    "12",
                                    "--link",
                                    "200 us, 1 Gbit/s"};
  words.insert(words.end(), more.begin(), more.end());
  data_shelf data;
  return play(simulation_plan_of(parse_command_line(words, nullptr).values, data));
}

bool tells(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("rates of failures are read as people say them, and every mistake is told") {
  std::vector<error_text> wrong;
  CHECK(parse_failures("1 per 10 s", wrong).mean_gap == 10s);
  CHECK(parse_failures("4 per 1 s", wrong).mean_gap == 250ms);
  CHECK(parse_failures("0.5 per 2ms", wrong).mean_gap == 4ms);
  const auto some = parse_failures("1 per 1 ms of layer_shard, data_loader", wrong);
  REQUIRE(some.roles.size() == 2);
  CHECK(some.roles[1] == role_kind::data_loader);
  CHECK(failures_text(some) == "1 per 1 ms of layer_shard, data_loader");
  CHECK(wrong.empty());
  for (const char* text : {"often", "1 per", "0 per 1 s", "-1 per 1 s", "1 per 3 parsecs", ""}) {
    wrong.clear();
    parse_failures(text, wrong);
    CHECK_MESSAGE(wrong.size() == 1, text);
  }
  wrong.clear();
  parse_failures("1 per 1 s of layer_shart", wrong);
  REQUIRE(wrong.size() == 1);
  CHECK(tells(wrong[0].help, "layer_shard"));
}

TEST_CASE("the table and the JSON of a disturbed run carry its deaths, recovery and goodput") {
  const auto f = figures_of({"--failures", "1 per 10 ms", "--world-seed", "3"});
  const auto& deaths = f.result.simulation->deaths;
  REQUIRE(deaths.size() > 1);
  REQUIRE(f.kept);
  CHECK(f.kept->share > 0);
  CHECK(f.kept->share < 1);
  const auto table = simulation_table(f);
  for (const char* part : {"p99",
                           "cores of nodes are busy",
                           "next step after",
                           "ready again",
                           "goodput",
                           "of the undisturbed rate",
                           "layer_shard"})
    CHECK_MESSAGE(tells(table, part), part, " in\n", table);
  CHECK(tells(table, event_text(deaths[0])));

  const auto json = nlohmann::json::parse(simulation_json(f).dump());
  CHECK(json["step_times"]["count"] == 12);
  CHECK(json["commits"].size() == 12);
  CHECK(json["deaths"].size() == deaths.size());
  CHECK(json["deaths"][0]["event"] == event_text(deaths[0]));
  CHECK(json["goodput"]["share"] == f.kept->share);
  CHECK(json["ready_seconds"]["count"] == f.summary.ready_seconds.count);
  CHECK(json["roles"]["layer_shard"]["actors"] == 2);
  CHECK(json["nodes"].size() == 2);
  CHECK(json["links"].size() == 2);
  CHECK(json["actors"].size() == f.result.simulation->actors.size());
  CHECK(json["staleness"].is_null());
  CHECK(json["cores"]["utilisation"].get<double>() > 0);
  CHECK(json["traffic"]["bytes"].get<std::uint64_t>() ==
        json["links"][0]["bytes"].get<std::uint64_t>() +
            json["links"][1]["bytes"].get<std::uint64_t>());
}

TEST_CASE("the events of a table, said again, are the run that they were drawn for") {
  const auto f = figures_of({"--failures", "1 per 10 ms", "--world-seed", "3"});
  std::vector<std::string> events = {"--world-seed", "3"};
  for (const auto& death : f.result.simulation->deaths)
    events.insert(events.end(), {"--event", event_text(death)});
  const auto again = figures_of(events);
  CHECK(again.result.simulation->trace_hash == f.result.simulation->trace_hash);
  CHECK(again.result.parameter_digest == f.result.parameter_digest);
  CHECK(again.kept->share == f.kept->share);
  const auto calm = figures_of({"--world-seed", "3"});
  CHECK(calm.result.parameter_digest == f.result.parameter_digest);
  CHECK_FALSE(calm.kept);
}

TEST_CASE("the histogram of staleness is in the table, the JSON and the charts") {
  const auto f = figures_of({"--topology", "parameter-server", "--replicas", "3"});
  CHECK(tells(simulation_table(f), "staleness     updates\n  0"));
  const auto json = simulation_json(f);
  std::int64_t updates = 0;
  for (const auto& count : json["staleness"]["updates"])
    updates += count.get<std::int64_t>();
  CHECK(updates == 12);
  const auto charts = charts_of(f);
  REQUIRE(charts.size() == 4);
  CHECK(charts[3].first == "staleness");
}

TEST_CASE("a long histogram of staleness is told in few rows, and loses no update") {
  staleness_count s;
  for (std::uint64_t i = 0; i < 300; ++i)
    s.add(i, 0);
  const auto rows = staleness_rows(s);
  REQUIRE(rows.size() == 16);
  CHECK(rows[0].name == "0 to 3");
  CHECK(rows[15].name == "60 or more");
  std::int64_t sum = 0;
  for (const auto& row : rows)
    sum += row.updates;
  CHECK(sum == 300);
  staleness_count few;
  few.add(2, 0);
  CHECK(staleness_rows(few).size() == 3);
  CHECK(staleness_rows(few)[2].name == "2");
}

TEST_CASE("plots go into one file, or a file each into a folder that is made") {
  const test::scratch_folder folder;
  const auto f = figures_of({"--failures", "1 per 10 ms"});
  const auto charts = charts_of(f);
  CHECK(charts.size() == 4);
  CHECK(charts[0].second.marks.size() == f.result.simulation->deaths.size());
  const auto inside = folder.file("new/plots");
  check_plot(inside);
  write_plots(inside, charts);
  for (const char* name : {"step-times", "utilisation", "traffic", "recovery"})
    CHECK(std::filesystem::exists(inside + "/" + name + ".svg"));
  check_plot(folder.file("all.svg"));
  write_plots(folder.file("all.svg"), charts);
  CHECK(std::filesystem::file_size(folder.file("all.svg")) > 2000);
  CHECK_THROWS(check_plot(folder.file("nowhere/all.svg")));
}
