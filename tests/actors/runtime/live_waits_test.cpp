#include "actors/runtime/live_world.hpp"
#include "actors/runtime/wait_desk.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace troupe;
using namespace std::chrono_literals;

namespace {

const address director{.role = role_kind::director};
const address worker{.role = role_kind::layer_shard};
const address other{.role = role_kind::layer_shard, .replica = 1};

class gate {
public:
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }

  void enter() {
    std::unique_lock lock(mutex_);
    entered_ = true;
    changed_.notify_all();
    changed_.wait(lock, [&] { return open_; });
  }

  void wait_until_entered() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return entered_; });
  }

private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false, entered_ = false;
};

// Waits for `from`; its handler, or its computation, stays at the gate.
class puppet final : public role {
public:
  puppet(context& world, std::vector<wait> waits, gate* handler, gate* computation)
      : world_(world), waits_(std::move(waits)), handler_(handler), computation_(computation) {}

  void receive(const message&) override {
    if (handler_ != nullptr) handler_->enter();
    if (computation_ != nullptr)
      world_.compute(lane::kernels, [at = computation_](computation&) { at->enter(); });
  }

  [[nodiscard]] std::vector<wait> waits() const override { return waits_; }

private:
  context& world_;
  std::vector<wait> waits_;
  gate *handler_, *computation_;
};

struct stage {
  explicit stage(int service_threads = 2) {
    world = std::make_unique<live_world>(
        live_world_options{.kernel_threads = 1,
                           .service_threads = service_threads,
                           .progress_within = [](const address&) { return 1h; },
                           .progress_tick = 10ms});
  }

  void
  add(const address& who, const address* from, gate* handler = nullptr, gate* kernel = nullptr) {
    std::vector<wait> waits;
    if (from != nullptr) waits.push_back({.what = wait_kind::report, .from = *from, .step = 1});
    world->add(who,
               [=](context& c) { return std::make_unique<puppet>(c, waits, handler, kernel); });
  }

  std::unique_ptr<live_world> world;
};

} // namespace

TEST_CASE("live actors say what they wait for, and messages that wait for them are counted") {
  stage s;
  s.add(director, &worker);
  s.add(worker, nullptr);
  s.world->start();
  const auto g = s.world->waits();
  REQUIRE(g.actors.size() == 2);
  const auto* d = g.find(director);
  CHECK(d->state == actor_state::alive);
  CHECK(d->life == 1);
  REQUIRE(d->waits.size() == 1);
  CHECK(d->waits.front().from == worker);
  CHECK(verdict_of(g).suspects.front().who == worker);
}

TEST_CASE(
    "an actor that does not come back from a handler is named within a second, with since when") {
  gate at;
  stage s;
  s.add(director, &worker);
  s.add(worker, nullptr, &at);
  s.add(other, nullptr);
  s.world->start();
  s.world->send(worker, protocol::begin_step{1});
  at.wait_until_entered();
  std::this_thread::sleep_for(200ms);
  const auto began = std::chrono::steady_clock::now();
  const auto g = s.world->waits();
  CHECK(std::chrono::steady_clock::now() - began < 1s);
  at.open();
  CHECK(g.find(worker)->state == actor_state::handling);
  CHECK(g.find(other)->state == actor_state::alive);
  REQUIRE(g.find(worker)->quiet.has_value());
  CHECK(*g.find(worker)->quiet >= 200ms);
  const auto v = verdict_of(g);
  CHECK(v.suspects.front().why == blame::stuck);
  CHECK(v.suspects.front().who == worker);
  CHECK(v.is_held_up());
}

TEST_CASE("who computes answers, and is told apart from who is stuck in a handler") {
  gate at;
  stage s;
  s.add(director, &worker);
  s.add(worker, nullptr, nullptr, &at);
  s.world->start();
  s.world->send(worker, protocol::begin_step{1});
  at.wait_until_entered();
  const auto g = s.world->waits();
  at.open();
  CHECK(g.find(worker)->state == actor_state::computing);
  CHECK(verdict_of(g).suspects.front().why == blame::computing);
  CHECK_FALSE(verdict_of(g).is_held_up());
}

TEST_CASE("where one actor has the last thread, it is to blame and not who could not be asked") {
  gate handler, kernel;
  stage s(1);
  s.add(director, &other);
  s.add(worker, nullptr, &handler);
  s.add(other, nullptr, nullptr, &kernel);
  s.world->start();
  s.world->send(other, protocol::begin_step{1});
  kernel.wait_until_entered(); // the kernel thread
  s.world->send(worker, protocol::begin_step{1});
  handler.wait_until_entered(); // the other one
  const auto g = s.world->waits();
  handler.open();
  kernel.open();
  CHECK(g.find(worker)->state == actor_state::handling);
  CHECK(g.find(director)->state == actor_state::unasked);
  CHECK(verdict_of(g).suspects.front().who == worker);
}

TEST_CASE("a world that has stopped answers, and so does one whose actors are killed") {
  stage s;
  s.add(director, &worker);
  s.add(worker, nullptr);
  s.world->start();
  s.world->stop();
  CHECK(s.world->waits().over);
}

namespace {

waiting_actor alive(const address& who) {
  return {.who = who, .life = 7};
}

wait_graph only(const address& who) {
  return {.actors = {alive(who)}};
}

struct desk_of_two {
  // Answers as node 1 would, if at all.
  explicit desk_of_two(std::vector<order::waits> pieces)
      : desk(
            [this, pieces](std::uint32_t node, const cluster_order& o) {
              CHECK(node == 1);
              for (auto p : pieces) {
                p.number += std::get<order::ask>(o).number;
                desk.heard(1, p);
              }
            },
            [] { return only(director); }) {}

  wait_graph ask() {
    return desk.ask({.there = {1},
                     .missing = {{2, node_state::missing, "its process ended"}},
                     .placements = {{director, 7, 0}, {worker, 7, 1}, {other, 3, 2}}});
  }

  wait_desk desk;
};

} // namespace

TEST_CASE("node 0 hears from all nodes, in pieces, and believes each of its own actors alone") {
  desk_of_two d({{0, {alive(worker)}, false}, {0, {alive(other), alive(director)}, true}});
  const auto g = d.ask();
  REQUIRE(g.actors.size() == 3);
  CHECK(g.find(worker)->state == actor_state::alive);
  CHECK(g.find(worker)->node == 1);
  CHECK(g.find(director)->node == 0);
  CHECK(g.find(other)->state == actor_state::down); // of a node that is missing
  CHECK(g.node(1) == nullptr);
  REQUIRE(g.node(2) != nullptr);
  CHECK(g.node(2)->why == "its process ended");
}

TEST_CASE("a node that does not answer, or says half of it, is told as silent within a second") {
  for (const auto& pieces : {std::vector<order::waits>{},
                             std::vector<order::waits>{{0, {alive(worker)}, false}},
                             std::vector<order::waits>{{9, {alive(worker)}, true}}}) {
    desk_of_two d(pieces);
    const auto began = std::chrono::steady_clock::now();
    const auto g = d.ask();
    CHECK(std::chrono::steady_clock::now() - began < 1s);
    REQUIRE(g.node(1) != nullptr);
    CHECK(g.node(1)->state == node_state::silent);
    CHECK(g.find(worker)->node == 1);
  }
}

TEST_CASE("a node answers node 0 in pieces, by a thread of its own") {
  constexpr std::size_t actors = 600;
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<order::waits> said;
  wait_graph own;
  for (std::uint32_t r = 0; r < actors; ++r)
    own.actors.push_back(alive({.role = role_kind::layer_shard, .replica = r}));
  wait_desk desk(
      [&](std::uint32_t node, const cluster_order& o) {
        const std::lock_guard lock(mutex);
        CHECK(node == 0);
        said.push_back(std::get<order::waits>(decode_order(encode(o))));
        changed.notify_all();
      },
      [&] { return own; });
  desk.asked(5);
  std::unique_lock lock(mutex);
  REQUIRE(changed.wait_for(lock, 10s, [&] { return !said.empty() && said.back().last; }));
  std::size_t count = 0;
  for (const auto& piece : said) {
    CHECK(piece.number == 5);
    CHECK(piece.actors.size() <= order::waits::actors_max);
    count += piece.actors.size();
  }
  CHECK(count == actors);
}
