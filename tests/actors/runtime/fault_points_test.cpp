#include "actors/runtime/fault_points.hpp"

#include "actors/runtime/live_world.hpp"
#include "actors/runtime/simulated_world.hpp"
#include "actors/supervisor.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

using namespace troupe;
using namespace std::chrono_literals;

namespace {

const address speaking{.role = role_kind::layer_shard};
const address hearing{.role = role_kind::layer_shard, .replica = 1};
const address supervising{.role = role_kind::supervisor};
const address directing{.role = role_kind::director};

constexpr auto since_begin = fault_point::any_step;

message step(std::uint64_t n) {
  return protocol::begin_step{n};
}

// Handles a message of a step in so many calls; the place where it is killed, or "".
std::string handle(fault_points& points, std::uint64_t of_step, int calls) {
  const auto m = step(of_step);
  try {
    points.begins(&m);
    for (int c = 0; c < calls; ++c)
      points.calls();
    points.ends();
  } catch (const killed& k) {
    return k.what();
  }
  return "";
}

// Says 10, 11 and 12 where it is told of step 3, and 99 in each life but its first.
class speaker final : public role_of<speaker> {
public:
  explicit speaker(context& c) : world_(c) {}

  void started() override {
    if (world_.life() > 1) world_.send(hearing, step(99));
  }

  void on(const protocol::begin_step& m) {
    if (m.step != 3) return;
    for (const std::uint64_t n : {10, 11, 12})
      world_.send(hearing, step(n));
  }

private:
  context& world_;
};

class listener final : public role_of<listener> {
public:
  void on(const protocol::begin_step& m) {
    const std::lock_guard lock(mutex);
    heard.push_back(m.step);
    if (m.step != 99) return;
    over = true;
    changed.notify_all();
  }

  static void reset() {
    heard.clear();
    over = false;
  }

  static inline std::mutex mutex;
  static inline std::condition_variable changed;
  static inline std::vector<std::uint64_t> heard;
  static inline std::atomic<bool> over{false};
};

class silent final : public role_of<silent> {};

void cast(world& w) {
  w.add(speaking, [](context& c) { return std::make_unique<speaker>(c); });
  w.add(hearing, [](context&) { return std::make_unique<listener>(); });
  w.add(directing, [](context&) { return std::make_unique<silent>(); });
  w.add(supervising, [](context& c) {
    return std::make_unique<supervisor>(
        c, supervisor_options{[] {
          return supervision_tree{
              .root = {.children = {{.id = speaking.text()}, {.id = hearing.text()}}}};
        }});
  });
}

// What is heard until the speaker that was killed there is back.
std::vector<std::uint64_t> heard_of(world& w, const fault_point& where) {
  listener::reset();
  cast(w);
  w.kill_at(where);
  w.start();
  w.send(speaking, step(3));
  w.play([] { return listener::over.load(); });
  std::unique_lock lock(listener::mutex);
  REQUIRE(listener::changed.wait_for(lock, 10s, [] { return listener::over.load(); }));
  lock.unlock();
  w.stop();
  return listener::heard;
}

std::vector<std::uint64_t> heard_live(const fault_point& where) {
  live_world w({.kernel_threads = 1});
  return heard_of(w, where);
}

simulated_world_options one_node() {
  return {.model = {},
          .node_of = [](const address&) { return 0; },
          .cost = [](const address&, const work&) { return std::chrono::nanoseconds(0); }};
}

std::vector<std::uint64_t> heard_simulated(const fault_point& where) {
  simulated_world w(one_node());
  return heard_of(w, where);
}

} // namespace

TEST_CASE("a kill is carried out once, at its message of its step") {
  fault_points points;
  points.plan({speaking, 3, 2});
  CHECK(handle(points, 3, 1).empty());
  CHECK(handle(points, 4, 1).empty());
  CHECK(handle(points, 3, 1) == "killed at step 3 after begin_step");
  CHECK(handle(points, 3, 1).empty());
}

TEST_CASE("a kill is before the handler, inside of it after a call, or at its end") {
  fault_points points;
  for (const auto& [call, place] : std::vector<std::pair<std::optional<int>, std::string>>{
           {0, "killed at step 3 before begin_step"},
           {1, "killed at step 3 in begin_step, after call 1"},
           {2, "killed at step 3 in begin_step, after call 2"},
           {std::nullopt, "killed at step 3 after begin_step"},
           {7, "killed at step 3 after begin_step"}}) { // it makes fewer
    points.plan({speaking, 3, 1, call});
    CHECK(handle(points, 3, 2) == place);
  }
}

TEST_CASE("without a step messages are counted since the job began, starts among them") {
  fault_points points;
  points.plan({speaking, since_begin, 1, 1});
  points.plan({speaking, since_begin, 3});
  CHECK_THROWS_WITH_AS(
      [&] {
        points.begins(nullptr);
        points.calls();
      }(),
      "killed in its start, after call 1",
      killed);
  CHECK(handle(points, 1, 0).empty());
  CHECK(handle(points, 9, 0) == "killed at step 9 after begin_step");
}

TEST_CASE("of two kills at one place the second comes with the next message of the step") {
  fault_points points;
  points.plan({speaking, 3, 1});
  points.plan({speaking, 3, 1});
  CHECK_FALSE(handle(points, 3, 0).empty());
  CHECK(handle(points, 2, 0).empty());
  CHECK_FALSE(handle(points, 3, 0).empty());
  CHECK(handle(points, 3, 0).empty());
}

TEST_CASE("who looks on is told every point with the number by which it is named") {
  fault_points points;
  std::vector<std::string> passed;
  points.watch([&](const fault_point& p) { passed.push_back(text(p)); }, speaking);
  points.begins(nullptr);
  points.ends();
  handle(points, 3, 1);
  CHECK(passed == std::vector<std::string>{"layer_shard/0/0@message=1,call=0",
                                           "layer_shard/0/0@message=1",
                                           "layer_shard/0/0@message=2,call=0",
                                           "layer_shard/0/0@message=2,call=1",
                                           "layer_shard/0/0@message=2"});
}

TEST_CASE("what a handler said before it was killed is heard, and nothing after, in every world") {
  using numbers = std::vector<std::uint64_t>;
  const std::vector<std::pair<std::optional<int>, numbers>> expected = {{0, {99}},
                                                                        {1, {10, 99}},
                                                                        {2, {10, 11, 99}},
                                                                        {3, {10, 11, 12, 99}},
                                                                        {std::nullopt,
                                                                         {10, 11, 12, 99}}};
  for (const auto& [call, heard] : expected) {
    CAPTURE(call.value_or(-1));
    for (const fault_point& where : {fault_point{speaking, 3, 1, call},
                                     fault_point{speaking, since_begin, 2, call}}) {
      CHECK(heard_live(where) == heard);
      CHECK(heard_simulated(where) == heard);
    }
  }
}

TEST_CASE("an actor that is killed while it starts is started again, in every world") {
  for (const std::optional<int> call : {std::optional<int>(0), std::optional<int>()}) {
    const fault_point where{speaking, since_begin, 1, call};
    CHECK(heard_live(where).front() == 99);
    CHECK(heard_simulated(where).front() == 99);
  }
}
