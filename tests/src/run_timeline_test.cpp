#include "troupe/run_timeline.hpp"

#include "ops/files/atomic_file.hpp"
#include "src/small_jobs.hpp"
#include "support/scratch_folder.hpp"
#include "troupe/simulated_cluster.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

using json = nlohmann::json;
using track = std::pair<int, int>; // pid, tid

struct slice_of_time {
  double from, until;
};

std::map<track, std::vector<slice_of_time>> slices_of(const json& events) {
  std::map<track, std::vector<slice_of_time>> out;
  for (const auto& e : events)
    if (e["ph"] == "X")
      out[{e["pid"], e["tid"]}].push_back(
          {e["ts"], e["ts"].get<double>() + e["dur"].get<double>()});
  return out;
}

constexpr double rounding = 0.0011; // microseconds

// What viewers demand: on a track, slices do not overlap in part; arrows come in pairs and end in
// slices.
void check_valid(const json& events) {
  const auto slices = slices_of(events);
  for (const auto& [where, of] : slices)
    for (std::size_t i = 1; i < of.size(); ++i) {
      CHECK(of[i].from >= of[i - 1].from);
      if (of[i].from + rounding < of[i - 1].until) CHECK(of[i].until <= of[i - 1].until + rounding);
    }
  std::map<int, std::set<std::string>> arrows;
  for (const auto& e : events) {
    if (e["ph"] != "s" && e["ph"] != "f") continue;
    arrows[e["id"]].insert(e["ph"]);
    const double at = e["ts"];
    const auto& around = slices.at({e["pid"], e["tid"]});
    CHECK(std::any_of(around.begin(), around.end(), [&](const slice_of_time& s) {
      return s.from <= at + rounding && at <= s.until + rounding;
    }));
  }
  for (const auto& [id, ends] : arrows)
    CHECK(ends.size() == 2);
  CHECK(!arrows.empty());
}

std::size_t count(const json& events, const std::string& name) {
  return static_cast<std::size_t>(std::count_if(events.begin(), events.end(), [&](const json& e) {
    return e.value("name", "").find(name) != std::string::npos;
  }));
}

json play_watched(const auto& where,
                  const wiring& w,
                  timeline_options options = {},
                  std::vector<planned_kill> kills = {}) {
  const auto seen = std::make_shared<run_timeline>(w, options);
  where.start(w, {.evaluate = false, .kills = std::move(kills), .watch = seen}).wait();
  return json::parse(seen->json())["traceEvents"];
}

const address shard{.role = role_kind::layer_shard, .replica = 1};

} // namespace

TEST_CASE(
    "a timeline shows all that was computed and heard, live and simulated, and viewers take it") {
  const auto w = data_parallel(small_job(4), {.replicas = 2});
  simulated_cluster slow;
  slow.model.link = {.latency = 200us, .bytes_per_second = 1e8};
  for (const auto& events : {play_watched(cluster{}, w, {}, {{shard, 2, 1}}),
                             play_watched(slow, w, {}, {{shard, 2, 1}})}) {
    check_valid(events);
    // A death may have cut two of four off; replayed work is shown, too.
    for (const char* name : {"forward", "backward"})
      CHECK(count(events, name) >= 4 * small_job(4).microbatches);
    CHECK(count(events, " committed") == 4);
    CHECK(count(events, "layer_shard/1/0 died: killed at step 2") == 1);
    CHECK(count(events, "layer_shard/1/0 is back, incarnation 2") == 1);
    CHECK(count(events, "begin_step") >= 4 * 2);
    std::set<int> nodes;
    for (const auto& e : events)
      if (e["ph"] == "M" && e["name"] == "process_name") nodes.insert(e["pid"].get<int>());
    CHECK(nodes == std::set<int>{0, 1});
  }
}

TEST_CASE("two simulations of one seed have the same timeline") {
  const auto w = hybrid(small_job(3), {.replicas = 2, .stages = 2});
  CHECK(play_watched(simulated_cluster{}, w) == play_watched(simulated_cluster{}, w));
}

TEST_CASE("a timeline keeps the last steps, and no more entries than it may") {
  const auto w = data_parallel(small_job(30), {.replicas = 2});
  const auto last = play_watched(simulated_cluster{}, w, {.steps = 3});
  CHECK(count(last, "step 29 committed") == 1);
  CHECK(count(last, "step 26 committed") == 1); // where the three begin
  CHECK(count(last, "step 25 committed") == 0);
  const auto few = play_watched(simulated_cluster{}, w, {.steps = 30, .entries_max = 50});
  const auto shown = std::count_if(
      few.begin(), few.end(), [](const json& e) { return e["ph"] == "X" || e["ph"] == "i"; });
  CHECK(shown == 50);
}

TEST_CASE("what an actor computes at once is on tracks of its own") {
  const auto w = data_parallel(small_job(1));
  const auto seen = std::make_shared<run_timeline>(w);
  const address who{.role = role_kind::parameter_holder};
  seen->computed({.who = who, .what = {work_kind::update}, .from = 10us, .until = 30us});
  seen->computed({.who = who, .what = {work_kind::update}, .from = 20us, .until = 40us});
  seen->computed({.who = who, .what = {work_kind::update}, .from = 30us, .until = 50us});
  const auto text = seen->json();
  CHECK(slices_of(json::parse(text)["traceEvents"]).size() == 2);
  CHECK(text.find("parameter_holder/0 computes 2") != std::string::npos);
  CHECK(text.find("parameter_holder/0 computes 3") == std::string::npos);
}

TEST_CASE("a timeline is written plain or compressed") {
  const scratch_folder folder;
  const auto w = data_parallel(small_job(1));
  const auto seen = std::make_shared<run_timeline>(w);
  seen->computed({.who = shard, .what = {work_kind::forward, 1, 0, 7}, .until = 30us});
  seen->write(folder.file("plain.json"));
  seen->write(folder.file("small.json.gz"));
  CHECK(read_file(folder.file("plain.json")) == seen->json());
  CHECK(read_file(folder.file("small.json.gz")).starts_with("\x1f\x8b"));
  CHECK(read_maybe_gzip(folder.file("small.json.gz"), 1 << 20) == seen->json());
  CHECK(seen->json().find("\"forward 7\"") != std::string::npos);
}
