#include "cli/screen.hpp"

#include "cli/bench_table.hpp"
#include "cli/metrics.hpp"
#include "cli/progress.hpp"
#include "support/scratch_folder.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

using namespace troupe;
using namespace troupe::cli;

namespace {

progress_state some_state() {
  return {.epoch = 1,
          .epochs = 5,
          .step = 234,
          .steps = 468,
          .steps_left = 2106,
          .loss = 0.39149,
          .accuracy = 0.8621,
          .images_per_second = 9280.4,
          .seconds_per_step = 0.0137};
}

// A screen whose clock is turned by hand and whose output is kept.
struct stage {
  double now = 0;
  std::string shown;
  std::vector<std::string> kept;
  screen on;

  explicit stage(bool terminal, bool quiet = false)
      : on([&] {
          screen_options o;
          o.terminal = terminal;
          o.quiet = quiet;
          o.steps = 1000;
          o.steps_per_epoch = 500;
          o.batch = 100;
          o.now = [this] { return now; };
          o.write = [this](const std::string& text) { shown += text; };
          o.log = [this](const std::string& line) { kept.push_back(line); };
          return o;
        }()) {}

  void step(std::int64_t number, double at) {
    now = at;
    on.show(step_event{.step = number, .loss = 0.5, .accuracy = 0.75, .seconds = at});
  }
};

run_result some_result() {
  run_result r;
  r.steps = 2340;
  r.epochs = 5;
  r.train_loss = 0.2345;
  r.train_accuracy = 0.915;
  r.tested = true;
  r.test_loss = 0.2501;
  r.test_accuracy = 0.9123;
  r.images_per_second = 9280.4;
  r.seconds = 65;
  r.restarts = 1;
  r.peak_memory_bytes = 186'000'000;
  r.parameter_digest = 0x0123456789abcdefULL;
  return r;
}

} // namespace

TEST_CASE("the live line shows a bar where there is room") {
  CHECK(live_line(some_state(), 100, false) ==
        "epoch 1/5 [###############---------------]  234/468  loss 0.391  acc 86.2 %  "
        "9,280 img/s  29 s left");
  CHECK(live_line(some_state(), 83, false).size() <= 82);
  CHECK(live_line(some_state(), 83, false).find('[') != std::string::npos);
  CHECK(live_line(some_state(), 40, false) == "epoch 1/5  234/468  loss 0.391  acc 86.");
  CHECK(live_line(some_state(), 100, true).find("\x1b[") != std::string::npos);
  CHECK(live_line(some_state(), 0, false).empty());
}

TEST_CASE("the plain line has no bar and no control characters") {
  CHECK(plain_line(some_state()) ==
        "epoch 1/5  234/468  loss 0.391  acc 86.2 %  9,280 img/s  29 s left");
}

TEST_CASE("durations and sizes read well") {
  CHECK(duration_text(7.4) == "7 s");
  CHECK(duration_text(125) == "2 min 05 s");
  CHECK(duration_text(3725) == "1 h 02 min");
  CHECK(duration_text(-1) == "0 s");
  CHECK(bytes_text(972'000) == "972.0 kB");
  CHECK(bytes_text(186'000'000) == "186.0 MB");
  CHECK(bytes_text(25'280'000'000) == "25.28 GB");
}

TEST_CASE("an epoch, a fault and a saved checkpoint are one line each") {
  const epoch_event e{.epoch = 2,
                      .train_loss = 0.3,
                      .train_accuracy = 0.9,
                      .test_loss = 0.25,
                      .test_accuracy = 0.91,
                      .images_per_second = 9000,
                      .digest = 0xabcdef0123456789ULL};
  CHECK(epoch_line(e, 5, true, false) ==
        "epoch 2/5  loss 0.300  acc 90.0 %  test 0.250  acc 91.0 %  9,000 img/s  digest abcdef01");
  CHECK(epoch_line(e, 5, false, true).find("validation") != std::string::npos);
  const fault_event f{.who = parse_address("layer_shard/1"),
                      .now = 2,
                      .step = 30,
                      .reason = "killed",
                      .recovery_ms = 1.8};
  CHECK(fault_line(f) ==
        "  ! layer_shard/1/0 died after 30 steps: killed; restarted in 1.80 ms as incarnation 2");
  CHECK(saved_line({.path = "c/step-7", .step = 1234}) == "  saved c/step-7 (step 1,234)");
  CHECK(saved_line({.path = "c/step-7", .step = 7, .problem = "the disk is full"}) ==
        "  ! not saved: c/step-7 (step 7): the disk is full");
}

TEST_CASE("a terminal gets at most five live lines a second and keeps events") {
  stage s(true);
  for (int i = 1; i <= 100; ++i)
    s.step(i, 0.01 * i);
  const auto lines = std::count(s.shown.begin(), s.shown.end(), '\r');
  CHECK(lines >= 4);
  CHECK(lines <= 6);
  CHECK(s.kept.empty());
  s.shown.clear();
  s.on.show(saved_event{.path = "x", .step = 100});
  CHECK(s.shown == "\r\x1b[K  saved x (step 100)\n");
  CHECK(s.kept.size() == 1);
}

TEST_CASE("a log gets a line at most every 10 s and every 5 %, without carriage returns") {
  stage s(false);
  for (int i = 1; i <= 1000; ++i)
    s.step(i, 0.1 * i); // 100 s in all: a line each 10 s
  CHECK(s.kept.size() <= 10);
  CHECK(s.kept.size() >= 8);
  CHECK(s.shown.find('\r') == std::string::npos);
  stage fast(false);
  for (int i = 1; i <= 1000; ++i)
    fast.step(i, 0.001 * i);
  CHECK(fast.kept.empty());
  stage slow(false);
  for (int i = 1; i <= 1000; ++i)
    slow.step(i, 60.0 * i); // a line each 5 %
  CHECK(slow.kept.size() <= 20);
}

TEST_CASE(
    "figures of links are lines of the metrics, and neither of the events nor of the screen") {
  const test::scratch_folder where;
  const auto run = run_folder::open(where.file("run"), "", "");
  metrics report_to(where.file("m.jsonl"), run, false, 1);
  report_to.begin();
  const links_event figures{.at = std::chrono::milliseconds(1500),
                            .nodes = {{.node = 1, .is_up = true}},
                            .links = {{.from = 1, .to = 0, .bytes = 7}}};
  report_to.write(figures);
  const auto content = [&](const std::string& name) {
    std::ifstream file(where.file(name));
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  CHECK(content("m.jsonl").starts_with(R"({"event":"links","seconds":1.5,"nodes":[{"node":1,)"));
  CHECK(content("run/metrics.jsonl") == content("m.jsonl"));
  CHECK(content("run/events.jsonl").empty());

  stage plain(false);
  plain.on.show(figures);
  CHECK(plain.shown.empty());
}

TEST_CASE("quiet shows what is said and nothing else, and the log has it all") {
  stage s(false, true);
  s.step(1, 1);
  s.on.show(saved_event{.path = "x", .step = 1});
  CHECK(s.shown.empty());
  CHECK(s.kept.size() == 1);
  s.on.say("interrupted");
  CHECK(s.shown == "interrupted\n");
}

TEST_CASE("the table at the end") {
  CHECK(result_table(some_result()) == "              loss    accuracy\n"
                                       "train       0.2345      91.5 %\n"
                                       "test        0.2501     91.23 %\n"
                                       "\n"
                                       "steps             2,340\n"
                                       "images/s          9,280\n"
                                       "training time     1 min 05 s\n"
                                       "peak memory       186.0 MB\n"
                                       "restarts          1\n"
                                       "parameter digest  0123456789abcdef\n");
}

TEST_CASE("an asynchronous run tells how stale its updates were") {
  run_result r = some_result();
  CHECK(nlohmann::json::parse(end_json(r))["staleness"].is_null());
  for (const std::uint64_t staleness : {0, 1, 1, 2})
    r.staleness.add(staleness, staleness / 2);
  CHECK(result_table(r).find("staleness         mean 1.0, most 2; lead at most 1\n") !=
        std::string::npos);
  const auto told = nlohmann::json::parse(end_json(r))["staleness"];
  CHECK(told["updates"] == std::vector<int>{1, 2, 1});
  CHECK(told["mean"] == 1);
  CHECK(told["most"] == 2);
  CHECK(told["lead"] == 1);
  const auto step =
      nlohmann::json::parse(json_line(run_event{step_event{.staleness = 3, .lead = 2}}));
  CHECK(step["staleness"] == 3);
  CHECK(step["lead"] == 2);
  CHECK(step["lead_bound"].is_null());
  r.credit = {
      {credit_kind::staleness, {role_kind::parameter_holder}, {role_kind::layer_shard}, 1, 2}};
  const auto credit = nlohmann::json::parse(end_json(r))["credit"];
  REQUIRE(credit.size() == 1);
  CHECK(credit[0]["edge"] == "staleness");
  CHECK(credit[0]["from"] == "parameter_holder/0");
  CHECK(credit[0]["bound"] == 1);
  CHECK(credit[0]["used"] == 2);
  CHECK(credit[0]["kept"] == false);
}

TEST_CASE("a run whose shares are dealt tells them, and who was overtaken") {
  run_result r = some_result();
  CHECK(nlohmann::json::parse(end_json(r))["shares"].is_null());
  r.shares = {{0, {0, 6}}, {1, {6, 2}}, {2, {6, 2}}};
  r.overtaken = 1200;
  const std::string table = result_table(r);
  CHECK(table.find("shares            6:2, replica 2 as replica 1 at the end\n") !=
        std::string::npos);
  CHECK(table.find(
            "overtaken         1,200 shares of a layer shard that others were faster with\n") !=
        std::string::npos);
  const auto told = nlohmann::json::parse(end_json(r));
  CHECK(told["shares"]["1"] == std::vector<int>{6, 2});
  CHECK(told["overtaken"] == 1200);
  const auto step = nlohmann::json::parse(json_line(run_event{step_event{.shares = r.shares}}));
  CHECK(step["shares"]["0"] == std::vector<int>{0, 6});
}

TEST_CASE("the end object has what readers of metrics need") {
  const auto end = nlohmann::json::parse(end_json(some_result()));
  CHECK(end["event"] == "end");
  CHECK(end["test_accuracy"] == 0.9123);
  CHECK(end["train_loss"] == 0.2345);
  CHECK(end["images_per_second"] == 9280.4);
  CHECK(end["steps"] == 2340);
  CHECK(end["restarts"] == 1);
  CHECK(end["peak_memory_bytes"] == 186'000'000);
  CHECK(end["parameter_digest"] == "0123456789abcdef");
  run_result untested = some_result();
  untested.tested = false;
  CHECK(nlohmann::json::parse(end_json(untested))["test_accuracy"].is_null());
  const auto step =
      nlohmann::json::parse(json_line(run_event{step_event{.step = 3, .digest = 15}}));
  CHECK(step["event"] == "step");
  CHECK(step["digest"] == "000000000000000f");
}

TEST_CASE("the bench table takes medians and compares with the goals") {
  CHECK(median({3, 1, 2}) == 2);
  CHECK(median({4, 1, 2, 3}) == 2.5);
  CHECK(median({}) == 0);
  bench_samples samples;
  samples[{"cnn", 128, 1, contender::troupe}] = {5000, 5200, 5400};
  samples[{"cnn", 128, 1, contender::peer_clean}] = {2000};
  samples[{"cnn", 128, 2, contender::troupe}] = {9000};
  samples[{"cnn", 128, 2, contender::peer_ddp_clean}] = {3000};
  samples[{"cnn", 128, 2, contender::peer_ddp_best}] = {3500};
  CHECK(ratio_table(samples) ==
        "cnn        128  one replica / PyTorch as users run it   2.60x   goal 2.60x   reached\n"
        "cnn        128  two replicas / one                      1.73x   goal 1.90x   missed\n"
        "cnn        128  two replicas / PyTorch DDP, its better  2.57x   goal 2.50x   reached\n");
  CHECK(bench_table(samples).find("PyTorch as users run it") != std::string::npos);
}
