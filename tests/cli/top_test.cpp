// What `troupe top` shows of run folders: of jobs that go on, that have ended, and that somebody
// is just writing of.
#include "cli/metrics.hpp"
#include "cli/mistakes.hpp"
#include "cli/top_frame.hpp"
#include "cli/watched_run.hpp"
#include "support/scratch_folder.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace troupe::cli {

namespace {

using namespace std::chrono_literals;
using test::scratch_folder;

const start_facts facts{.model = "cnn",
                        .data = "fashion-mnist",
                        .wiring = "data_parallel(2 replicas, 1 parameter holder)",
                        .batch = 100,
                        .steps = 1000,
                        .train_images = 50'000};

std::string step_line(std::int64_t step) {
  return json_line(step_event{.step = step,
                              .loss = 0.5,
                              .accuracy = 0.75,
                              .digest = 0x5f1c09aa5f1c09aa,
                              .seconds = 0.01 * static_cast<double>(step)});
}

links_event some_links(std::chrono::nanoseconds at) {
  const auto seconds = static_cast<std::uint64_t>(at / 1s);
  links_event e{.at = at};
  e.nodes = {{.node = 0, .is_up = true, .actors = 9, .process = 4711, .since = at},
             {.node = 1, .is_up = true, .lost = 1, .actors = 3, .process = 4712, .since = at - 2s},
             {.node = 2, .is_up = false, .lost = 2, .actors = 3, .process = 4713, .since = 4s}};
  e.links = {{.from = 0,
              .to = 1,
              .stands = true,
              .bytes = seconds * 80'000'000,
              .messages = seconds * 1500,
              .in_flight_bytes = 1'000'000,
              .credit_bytes = 33'600'000,
              .round_trip_ns = 310'000},
             {.from = 0, .to = 2, .stands = false, .bytes = 12, .reconnections = 3},
             {.from = 1,
              .to = 0,
              .stands = true,
              .bytes = seconds * 20'000'000,
              .messages = seconds * 100,
              .resent = 4,
              .waiting_bytes = 3'000'000,
              .in_flight_bytes = 32'000'000,
              .credit_bytes = 1'050'000,
              .round_trip_ns = 2'500'000}};
  return e;
}

std::string lines_of(const std::vector<std::string>& lines) {
  std::string out;
  for (const auto& l : lines)
    out += l + "\n";
  return out;
}

// A run of a folder of its own, as `troupe train` writes it.
struct recorded {
  scratch_folder where;

  recorded() { where.write("job.toml", "model = cnn\n"); }

  void figures(const std::string& text) const { append("metrics.jsonl", text); }

  void event(const std::string& text) const {
    append("metrics.jsonl", text + "\n");
    append("events.jsonl", text + "\n");
  }

  void plays() const {
    event(json_line(facts));
    for (std::int64_t s = 1; s <= 600; ++s)
      figures(step_line(s) + "\n");
    event(json_line(epoch_event{
        .epoch = 1, .train_loss = 0.61, .train_accuracy = 0.7, .test_accuracy = 0.8123}));
    event(json_line(node_event{node_event::kind::down, {2}, "node 2 was lost: its process ended"}));
    figures(json_line(some_links(6s)) + "\n");
    figures(json_line(some_links(10s)) + "\n");
  }

private:
  void append(const std::string& name, const std::string& text) const {
    std::ofstream(where.file(name), std::ios::app) << text;
  }
};

constexpr const char* playing = R"(runs/one: running
cnn on fashion-mnist, data_parallel(2 replicas, 1 parameter holder)
epoch 2/2  100/500  loss 0.500  acc 75.0 %  10,000 img/s  4 s left
step 600/1,000  digest 5f1c09aa5f1c09aa  restarts 0
epoch 1: loss 0.610  acc 70.0 %  test acc 81.2 %
last: node 2 was lost: its process ended

node  state                     actors  lost   process
2     missing for 4 s                3     2      4713
0     up for 10 s                    9     0      4711
1     up for 8 s                     3     1      4712

link        MB/s   msg/s     trip    queue in flight   credit resent reconnects
0 -> 2      down                                                   0          3
1 -> 0      20.0     100  2.50 ms   3.0 MB   32.0 MB   1.1 MB      4          0
0 -> 1      80.0   1,500  0.31 ms        -    1.0 MB  33.6 MB      0          0
)";

} // namespace

TEST_CASE("a frame shows steps, missing nodes first, and the worst links first") {
  const recorded run;
  run.plays();
  watched_run watched(run.where.path());
  CHECK(lines_of(frame_of(watched.look(), {.folder = "runs/one"})) == playing);
}

TEST_CASE("a frame fits its terminal, and says how much does not") {
  const recorded run;
  run.plays();
  watched_run watched(run.where.path());
  const auto& view = watched.look();
  for (int height = 1; height < 20; ++height)
    for (const int width : {1, 20, 79, 200}) {
      const auto lines =
          frame_of(view, {.folder = "runs/one", .width = width, .height = height, .colour = false});
      CHECK(lines.size() <= static_cast<std::size_t>(height));
      for (const auto& line : lines)
        CHECK(line.size() < static_cast<std::size_t>(std::max(width, 1)));
    }
  const auto lines = frame_of(view, {.folder = "runs/one", .width = 100, .height = 14});
  REQUIRE(lines.size() == 14);
  CHECK(lines[8].starts_with("2     missing for 4 s"));
  CHECK(lines[9] == "and 2 more nodes");
  CHECK(lines[12].starts_with("0 -> 2      down"));
  CHECK(lines[13] == "and 2 more links");
}

TEST_CASE("colours mark what is wrong, and only where they are wanted") {
  const recorded run;
  run.plays();
  watched_run watched(run.where.path());
  const auto coloured = frame_of(watched.look(), {.folder = "runs/one", .colour = true});
  CHECK(coloured[8].starts_with("\x1b[31m2     missing"));
  CHECK(coloured[9] == "0     up for 10 s                    9     0      4711");
  CHECK(lines_of(frame_of(watched.look(), {.folder = "runs/one"})).find('\x1b') ==
        std::string::npos);
}

TEST_CASE("a run that ended, failed or fell silent says so") {
  const recorded run;
  run.plays();
  watched_run watched(run.where.path());
  const auto head = [&](double silent) {
    return frame_of(watched.look(), {.folder = "runs/one", .silent = silent}).front();
  };
  CHECK(head(4) == "runs/one: running");
  CHECK(head(64) == "runs/one: running, silent for 1 min 04 s");

  run.figures(json_line(some_links(18s)) + "\n");
  CHECK(head(0) == "runs/one: running, no step for 12 s");
  run.figures(step_line(600) + "\n" + json_line(some_links(19s)) + "\n");
  CHECK(head(0) == "runs/one: running");

  run_result result;
  result.steps = 1000;
  result.parameter_digest = 7;
  run.event(end_json(result));
  CHECK(head(64) == "runs/one: ended");
  CHECK(frame_of(watched.look(), {})[3] == "step 1,000/1,000  digest 0000000000000007  restarts 0");

  run.event(json_line(facts)); // resumed
  run.figures(step_line(601) + "\n");
  CHECK(head(0) == "runs/one: running");
  CHECK(watched.look().step == 601);
  result.interrupted = true;
  run.event(end_json(result));
  CHECK(head(0) == "runs/one: interrupted");
  run.event(json_line(facts));
  run.event(failed_json("the loss of step 7 is not a number\n\x1b[2J"));
  CHECK(head(0) == "runs/one: failed: the loss of step 7 is not a number  [2J");
}

TEST_CASE("a line that is being written waits for its end") {
  const recorded run;
  run.event(json_line(facts));
  const std::string line = step_line(7) + "\n";
  watched_run watched(run.where.path());
  run.figures(line.substr(0, 20));
  CHECK(watched.look().step == 0);
  run.figures(line.substr(20, 30));
  CHECK(watched.look().step == 0);
  run.figures(line.substr(50));
  CHECK(watched.look().step == 7);
}

TEST_CASE("lines that cannot be read say nothing and stop nothing") {
  const recorded run;
  run.event("{\"event\":\"start\"}");
  run.event("not JSON");
  run.event("[1, 2]");
  run.figures("{\"event\":\"links\",\"seconds\":1,\"nodes\":[{\"node\":\"x\"}],\"links\":3}\n");
  run.figures("{\"event\":\"step\",\"step\":\"many\"}\n");
  run.event(json_line(facts));
  run.figures(step_line(3) + "\n");
  watched_run watched(run.where.path());
  CHECK(watched.look().step == 3);
  CHECK(watched.look().model == "cnn");
}

TEST_CASE("a run that nothing is known of yet has not begun") {
  const recorded run;
  watched_run watched(run.where.path());
  CHECK(lines_of(frame_of(watched.look(), {.folder = "runs/one"})) == "runs/one: has not begun\n");
}

TEST_CASE("a job of one process has steps, and no links") {
  const recorded run;
  run.event(json_line(facts));
  run.figures(step_line(1) + "\n" + step_line(2) + "\n");
  run.event(
      json_line(fault_event{{.role = role_kind::layer_shard}, 2, 2, "killed at step 2", 0.5}));
  watched_run watched(run.where.path());
  CHECK(lines_of(frame_of(watched.look(), {.folder = "runs/one"})) ==
        "runs/one: running\n"
        "cnn on fashion-mnist, data_parallel(2 replicas, 1 parameter holder)\n"
        "epoch 1/2    2/500  loss 0.500  acc 75.0 %  10,000 img/s  10 s left\n"
        "step 2/1,000  digest 5f1c09aa5f1c09aa  restarts 1\n"
        "last: layer_shard/0/0 died after 2 steps: killed at step 2\n");
}

TEST_CASE("rates are of the last seconds, also after a resumed run counts from the beginning") {
  const recorded run;
  run.event(json_line(facts));
  watched_run watched(run.where.path());
  for (int s = 1; s <= 30; ++s)
    run.figures(json_line(some_links(std::chrono::seconds(s))) + "\n");
  CHECK(watched.look().links().back().bytes_per_second == doctest::Approx(8e7));
  run.figures(json_line(some_links(1s)) + "\n");
  CHECK(watched.look().links().back().bytes_per_second == 0);
  run.figures(json_line(some_links(3s)) + "\n");
  CHECK(watched.look().links().back().bytes_per_second == doctest::Approx(8e7));
}

TEST_CASE("as JSON a frame has the figures of the metrics and the rates") {
  const recorded run;
  run.plays();
  watched_run watched(run.where.path());
  const auto all = nlohmann::json::parse(frame_json(watched.look(), {.folder = "runs/one"}));
  CHECK(all["state"] == "running");
  CHECK(all["step"] == 600);
  CHECK(all["nodes"][0]["node"] == 2);
  CHECK(all["nodes"][0]["up"] == false);
  CHECK(all["links"][2]["from"] == 0);
  CHECK(all["links"][2]["bytes"] == 800'000'000);
  CHECK(all["links"][2]["bytes_per_second"] == doctest::Approx(8e7));
}

TEST_CASE("of a long file the last lines are read, and of one that began anew all") {
  const scratch_folder where;
  line_follower file(where.file("lines"), 10);
  CHECK(file.fresh().empty());
  where.write("lines", "one\ntwo\nthree\nfour\n");
  CHECK(file.fresh() == std::vector<std::string>{"four"}); // of "hree\nfour\n"
  where.write("lines", "five\nsix\n");
  CHECK(file.fresh() == std::vector<std::string>{"five", "six"});
  where.write("lines", "five\nsix\na line without an end");
  CHECK(file.fresh().empty());
}

TEST_CASE("a folder that is no run is told with the nearest that is") {
  const scratch_folder where;
  try {
    (void)watched_folder(where.path());
    FAIL("found a run");
  } catch (const mistakes& wrong) {
    CHECK(wrong.code() == exit_usage);
    CHECK(wrong.all().front().what == where.path() + " is no run folder");
    CHECK(wrong.all().front().why == "it has no job.toml");
  }
}

} // namespace troupe::cli
