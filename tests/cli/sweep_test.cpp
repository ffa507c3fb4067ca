#include "cli/sweep.hpp"

#include "cli/command_line.hpp"
#include "cli/mistakes.hpp"
#include "cli/simulation_json.hpp"
#include "cli/sweep_table.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <string>
#include <vector>

using namespace troupe;
using namespace troupe::cli;

namespace {

using words = std::vector<std::string>;

command_line line_of(words more) {
  more.insert(more.begin(), "simulate");
  return parse_command_line(more, nullptr);
}

words values_of(const std::string& text, std::string* told = nullptr) {
  std::vector<error_text> wrong;
  const auto axis = parse_sweep(text, simulate_settings(), wrong);
  if (told != nullptr) *told = wrong.empty() ? "" : report(wrong);
  if (told == nullptr) CHECK_MESSAGE(wrong.empty(), report(wrong));
  return axis.values;
}

std::string mistakes_in(words more) {
  const auto line = line_of(std::move(more));
  try {
    (void)sweep_of(line.values, line.known);
  } catch (const mistakes& wrong) {
    CHECK(wrong.code() == exit_usage);
    return wrong.what();
  }
  return "";
}

// "replicas 4, batch 512 ..." at one number of nodes.
std::string grown(std::int64_t nodes, words more) {
  more.insert(more.end(), {"--sweep", "nodes=" + std::to_string(nodes)});
  const auto line = line_of(std::move(more));
  const auto s = sweep_of(line.values, line.known);
  const auto values = values_at(s, points_of(s).front(), line.values);
  std::string out;
  for (const char* name : {"replicas", "stages", "nodes", "batch", "microbatches", "steps"}) {
    const auto& v = values.at(name);
    if (v.from == origin::standard) continue;
    out += (out.empty() ? "" : ", ") + std::string(name) + " " + v.values.back();
  }
  return out;
}

const words tiny = {"--model",
                    "mlp",
                    "--data",
                    "synthetic:512",
                    "--batch",
                    "8",
                    "--microbatches",
                    "2",
                    "--steps",
                    "4",
                    "--link",
                    "100 us, 1 Gbit/s"};

words tiny_and(words more) {
  more.insert(more.begin(), tiny.begin(), tiny.end());
  return more;
}

std::vector<sweep_row> rows_of(const command_line& line, std::string* table = nullptr) {
  const auto s = sweep_of(line.values, line.known);
  return play(s, line.values, [&](const sweep_row& row) {
    if (table != nullptr) *table += sweep_line(s, row);
  });
}

} // namespace

TEST_CASE("the dots of a sweep double, multiply or count, as its numbers say") {
  CHECK(values_of("nodes=2,4,...,32") == words{"2", "4", "8", "16", "32"});
  CHECK(values_of("nodes=1,2,...,8") == words{"1", "2", "3", "4", "5", "6", "7", "8"});
  CHECK(values_of("nodes=1,2,4,...,16") == words{"1", "2", "4", "8", "16"});
  CHECK(values_of("nodes=10,20,30,...,60") == words{"10", "20", "30", "40", "50", "60"});
  CHECK(values_of("nodes=3,5,...,9") == words{"3", "5", "7", "9"});
  CHECK(values_of("gflops=1000,100,...,1") == words{"1000", "100", "10", "1"});
  CHECK(values_of("gflops=0.5,1,...,4") == words{"0.5", "1", "2", "4"});
  CHECK(values_of("batch=64, 128") == words{"64", "128"});
}

TEST_CASE("values with commas stand between semicolons") {
  CHECK(values_of("link=10 us, 100 Gbit/s;1 ms, 1 Gbit/s") ==
        words{"10 us, 100 Gbit/s", "1 ms, 1 Gbit/s"});
  CHECK(values_of("link=10 us, 100 Gbit/s") == words{"10 us, 100 Gbit/s"});
  CHECK(values_of("failures=1 per 1 s of layer_shard, data_loader; 1 per 2 s").size() == 2);
  CHECK(values_of("topology=pipeline,hybrid") == words{"pipeline", "hybrid"});
  CHECK(values_of("topology=pipeline; hybrid") == words{"pipeline", "hybrid"});
  CHECK(values_of("recompute=true,false") == words{"true", "false"});
}

TEST_CASE("every mistake of a sweep is told, with its place") {
  std::string told;
  for (const auto& [text, part] : std::vector<std::pair<std::string, std::string>>{
           {"nodes", "does not say what to sweep"},
           {"=3", "does not say what to sweep"},
           {"nodes=", "does not say what to sweep"},
           {"nods=2,4", "did you mean 'nodes'"},
           {"json=true", "there is no setting 'json' to sweep"},
           {"nodes=2,,4", "a value of nodes is empty"},
           {"nodes=2,4,...,9", "9 is not reached from 2 and 4"},
           {"nodes=2,...,8", "the dots do not say how it goes on"},
           {"nodes=2,4,...", "the dots do not say how it goes on"},
           {"nodes=2,4,...,8,16", "the dots do not say how it goes on"},
           {"nodes=2,a,...,8", "the dots do not say how it goes on"},
           {"nodes=4,4,...,8", "8 is not reached from 4 and 4"},
           {"nodes=4,8,...,2", "2 is not reached from 4 and 8"},
           {"recompute=maybe", "recompute 'maybe' is neither true nor false"}}) {
    values_of(text, &told);
    CHECK_MESSAGE(told.find(part) != std::string::npos, text, " -> ", told);
  }
  const auto all = mistakes_in({"--sweep",
                                "nods=2",
                                "--sweep",
                                "nodes=2,4,...,9",
                                "--variant",
                                "holders=2",
                                "--variant",
                                "x: holder=2",
                                "--variant",
                                "y: 3",
                                "--scaling",
                                "medium",
                                "--trace",
                                "t"});
  for (const char* part : {"'nods'",
                           "9 is not reached",
                           "names no variant",
                           "'holder'",
                           "'3' sets nothing",
                           "scaling 'medium'",
                           "a sweep has no --trace"})
    CHECK_MESSAGE(all.find(part) != std::string::npos, part, " in\n", all);
  CHECK(mistakes_in({"--sweep", "nodes=2", "--sweep", "nodes=4"}).find("swept twice") !=
        std::string::npos);
  CHECK(mistakes_in({"--sweep", "nodes=2", "--variant", "x: nodes=4"}).find("set by a variant") !=
        std::string::npos);
  CHECK(mistakes_in({"--sweep", "seed=1,2,...,4000", "--sweep", "batch=1,2,...,100"})
            .find("at most 4096") != std::string::npos);
}

TEST_CASE("a sweep over nodes grows what the topology has of on each, and the batch with it") {
  const words b = {"--batch", "16", "--microbatches", "2", "--steps", "5"};
  const auto with = [&](words more) {
    more.insert(more.end(), b.begin(), b.end());
    return more;
  };
  CHECK(grown(8, with({})) == "replicas 8, nodes 0, batch 128, microbatches 16, steps 5");
  CHECK(grown(8, with({"--topology", "pipeline"})) ==
        "stages 8, nodes 0, batch 128, microbatches 16, steps 5");
  CHECK(grown(8, with({"--topology", "hybrid"})) ==
        "replicas 4, nodes 0, batch 128, microbatches 16, steps 5");
  CHECK(grown(8, with({"--topology", "hybrid", "--stages", "4"})) ==
        "replicas 2, stages 4, nodes 0, batch 128, microbatches 16, steps 5");
  CHECK(grown(8, with({"--topology", "hybrid", "--replicas", "2"})) ==
        "replicas 2, stages 4, nodes 0, batch 128, microbatches 16, steps 5");
  // Workers have batches of their own, and take as many steps each.
  CHECK(grown(8, with({"--topology", "parameter-server"})) ==
        "replicas 8, nodes 0, batch 16, microbatches 2, steps 40");
  CHECK(grown(8, with({"--topology", "parameter-server", "--consistency", "bsp"})) ==
        "replicas 8, nodes 0, batch 128, microbatches 16, steps 5");
  CHECK(grown(8, with({"--scaling", "strong"})) ==
        "replicas 8, nodes 0, batch 16, microbatches 8, steps 5");
  // Said how many there are: they are put on so many nodes.
  CHECK(grown(4, with({"--replicas", "8"})) ==
        "replicas 8, nodes 4, batch 16, microbatches 2, steps 5");
  CHECK_THROWS_AS(grown(9, with({"--topology", "hybrid"})), mistakes);
}

TEST_CASE("rows of a sweep are those of the simulations alone, in order, however many at once") {
  const words sweep = {"--sweep",
                       "nodes=1,2,3",
                       "--sweep",
                       "link=1 us, 10 Gbit/s;1 ms, 1 Gbit/s",
                       "--variant",
                       "plain:",
                       "--variant",
                       "one holder: holders=1"};
  auto all = tiny_and(sweep);
  std::string table, again;
  const auto rows = rows_of(line_of(all), &table);
  all.insert(all.end(), {"--at-once", "1"});
  CHECK(rows_of(line_of(all), &again).size() == 12);
  CHECK(table == again);
  REQUIRE(rows.size() == 12);
  CHECK(rows[0].point.variant == 0);
  CHECK(rows[11].point.variant == 1);
  CHECK(rows[3].point.values == words{"2", "1 ms, 1 Gbit/s"});
  data_shelf data;
  const auto same = [&](const sweep_row& row, words alone) {
    REQUIRE(row.wrong.empty());
    const auto figures = play(simulation_plan_of(line_of(std::move(alone)).values, data));
    CHECK(summary_json(figures) == summary_json(row.figures));
  };
  same(rows[3],
       {"--model",
        "mlp",
        "--data",
        "synthetic:512",
        "--batch",
        "16",
        "--microbatches",
        "4",
        "--steps",
        "4",
        "--replicas",
        "2",
        "--link",
        "1 ms, 1 Gbit/s"});
  same(rows[10],
       {"--model",
        "mlp",
        "--data",
        "synthetic:512",
        "--batch",
        "24",
        "--microbatches",
        "6",
        "--steps",
        "4",
        "--replicas",
        "3",
        "--holders",
        "1",
        "--link",
        "1 us, 10 Gbit/s"});
}

TEST_CASE("what is impossible is listed with its reason, and the sweep goes on") {
  std::string table;
  const auto line = line_of(tiny_and({"--topology", "pipeline", "--sweep", "nodes=2,64,3"}));
  const auto rows = rows_of(line, &table);
  REQUIRE(rows.size() == 3);
  CHECK(rows[0].wrong.empty());
  CHECK_FALSE(rows[1].wrong.empty());
  CHECK(rows[2].wrong.empty());
  CHECK(table.find("impossible: the model has 4 pieces for 64 parts") != std::string::npos);
  const auto s = sweep_of(line.values, line.known);
  const auto impossible = sweep_json(s, rows[1], "");
  CHECK(impossible["event"] == "impossible");
  CHECK(impossible["settings"]["nodes"] == "64");
  CHECK(impossible["why"].size() >= 1);
  const auto swept = sweep_json(s, rows[2], "troupe simulate");
  CHECK(swept["event"] == "swept");
  CHECK(swept["nodes"] == 3);
  CHECK(swept["efficiency"].get<double>() > 0);
  CHECK(swept["replay"] == "troupe simulate");
}

TEST_CASE("a sweep is drawn as curves over what is swept, and as bars where it has no numbers") {
  const auto charts = [](words more) {
    const auto line = line_of(tiny_and(std::move(more)));
    const auto s = sweep_of(line.values, line.known);
    return charts_of(s, play(s, line.values, [](const sweep_row&) {}));
  };
  const auto curves = charts({"--sweep", "holders=1,2", "--sweep", "nodes=2,4"});
  REQUIRE(curves.size() == 3);
  CHECK(curves[0].first == "throughput");
  REQUIRE(curves[0].second.lines.size() == 3);
  CHECK(curves[0].second.lines[1].name == "holders 2");
  CHECK(curves[0].second.lines[2].name == "ideal");
  CHECK(curves[0].second.x.binary);
  CHECK(curves[1].first == "efficiency");
  CHECK(curves[1].second.lines[0].points[0].y == doctest::Approx(100));
  const auto bars = charts({"--sweep", "topology=data-parallel,pipeline"});
  REQUIRE(bars.size() == 1);
  CHECK(bars[0].second.bars.size() == 2);
}
