#include "actors/runtime/simulated_world.hpp"

#include "actors/message_facts.hpp"
#include "actors/supervisor.hpp"
#include "ops/error.hpp"

#include <doctest/doctest.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

using namespace troupe;
using namespace std::chrono_literals;

namespace {

const address director{.role = role_kind::director};
const address one{.role = role_kind::layer_shard, .replica = 1};
const address two{.role = role_kind::layer_shard, .replica = 2};
const address supervising{.role = role_kind::supervisor};

supervision_tree everybody() {
  supervision_tree out{.root = {.children = {{.id = director.text()}}}};
  for (std::uint32_t r = 0; r < 10; ++r)
    for (const auto role : {role_kind::layer_shard, role_kind::data_loader})
      out.root.children.push_back({.id = address{.role = role, .replica = r}.text()});
  return out;
}

// A role whose only behaviour is a function. `began` runs first in each life.
class puppet final : public role {
public:
  using handler = std::function<void(context&, const message&)>;

  puppet(context& world, handler hear, std::function<void(context&)> began)
      : world_(world), hear_(std::move(hear)), began_(std::move(began)) {}

  void started() override {
    if (began_) began_(world_);
  }

  void receive(const message& m) override {
    if (hear_) hear_(world_, m);
  }

private:
  context& world_;
  handler hear_;
  std::function<void(context&)> began_;
};

role_factory plays(puppet::handler hear, std::function<void(context&)> began = {}) {
  return [=](context& c) { return std::make_unique<puppet>(c, hear, began); };
}

message number(std::uint64_t n) {
  return protocol::begin_step{n};
}

std::uint64_t number_of(const message& m) {
  const auto* s = std::get_if<protocol::begin_step>(&m);
  return s != nullptr ? s->step : ~std::uint64_t{0};
}

message weighing(std::int64_t bytes, std::uint64_t step = 0) {
  const std::vector<float> zeros(static_cast<std::size_t>(bytes / 4));
  return protocol::parameters{0, step, 0, make_tensor({bytes / 4}, zeros)};
}

// A world whose actors live on the node of their replica, and what they hear, with the time.
struct stage {
  struct heard {
    std::chrono::nanoseconds when;
    address who;
    std::uint64_t number;
  };

  explicit stage(simulation_model model = {}) {
    world = std::make_unique<simulated_world>(simulated_world_options{
        .model = std::move(model),
        .node_of = [](const address& a) { return static_cast<int>(a.replica); },
        .cost = [](const address&, const work& w) { return w.amount * 1ms; },
        .on_message =
            [this](const heard_message& m) {
              messages.push_back({m.when, m.to, number_of(*m.content)});
              copies += m.copy ? 1 : 0;
            }});
    world->add(supervising, [](context& c) {
      return std::make_unique<supervisor>(c, supervisor_options{everybody});
    });
  }

  void play_until(const std::function<bool()>& ended) { // or until nothing is left to happen
    try {
      world->play(ended);
    } catch (const error& e) {
      stuck = e.what();
    }
  }

  void play() {
    world->start();
    play_until([] { return false; });
  }

  std::vector<std::uint64_t> heard_by(const address& who) const {
    std::vector<std::uint64_t> out;
    for (const auto& m : messages)
      if (m.who == who && m.number != number_of(protocol::restarted{})) out.push_back(m.number);
    return out;
  }

  std::vector<std::chrono::nanoseconds> times_of(const address& who) const {
    std::vector<std::chrono::nanoseconds> out;
    for (const auto& m : messages)
      if (m.who == who) out.push_back(m.when);
    return out;
  }

  std::unique_ptr<simulated_world> world;
  std::vector<heard> messages;
  int copies = 0;
  std::string stuck;
};

std::vector<std::uint64_t> rising(std::uint64_t count) {
  std::vector<std::uint64_t> out;
  for (std::uint64_t n = 0; n < count; ++n)
    out.push_back(n);
  return out;
}

role_factory says(const address& to, std::uint64_t count) {
  return plays({}, [=](context& c) {
    for (std::uint64_t n = 0; n < count; ++n)
      c.send(to, number(n));
  });
}

simulation_model rough(std::uint64_t seed) {
  simulation_model out{.seed = seed};
  out.link = {.latency = 1ms, .jitter = 2ms, .bytes_per_second = 1e6, .loss = 0.2};
  return out;
}

std::uint64_t hash_of(simulation_model model) {
  stage s(std::move(model));
  s.world->add(one, says(two, 50));
  s.world->add(two, says(one, 50));
  s.play();
  CHECK(s.messages.size() == 100);
  return s.world->report().trace_hash;
}

} // namespace

TEST_CASE("the same seed is the same simulation, event by event; another seed is another one") {
  CHECK(hash_of(rough(1)) == hash_of(rough(1)));
  CHECK(hash_of(rough(1)) != hash_of(rough(2)));
  auto wild = rough(1);
  wild.order = exploration::anything;
  CHECK(hash_of(wild) == hash_of(wild));
  CHECK(hash_of(wild) != hash_of(rough(1)));
}

TEST_CASE("one actor hears another in order, through jitter, loss and random delays") {
  for (const auto order : {exploration::by_time, exploration::anything}) {
    auto model = rough(3);
    model.order = order;
    stage s(model);
    s.world->add(one, says(two, 200));
    s.world->add(two, plays({}));
    s.play();
    CHECK(s.heard_by(two) == rising(200));
    CHECK(s.world->report().links.at(0).resent > 10);
    CHECK(s.world->report().links.at(0).messages == 200);
  }
}

TEST_CASE("duplicates are second copies, heard later than what they copy") {
  auto model = rough(3);
  model.link.duplicates = 0.5;
  stage s(model);
  s.world->add(one, says(two, 100));
  s.world->add(two, plays({}));
  s.play();
  CHECK(s.copies > 20);
  CHECK(s.messages.size() == 100 + static_cast<std::size_t>(s.copies));
  std::vector<int> times(100, 0);
  for (const auto n : s.heard_by(two))
    ++times[n];
  for (const int n : times)
    CHECK((n == 1 || n == 2));
}

TEST_CASE("a message takes latency and its bytes, and flows of a link share its bandwidth") {
  const auto alone =
      std::chrono::duration<double>(static_cast<double>(message_bytes(weighing(1'000'000))) / 1e6);
  simulation_model model;
  model.link = {.latency = 5ms, .bytes_per_second = 1e6};
  const address neighbour{.role = role_kind::data_loader, .replica = 1};
  for (const bool shared : {false, true}) {
    stage s(model);
    s.world->add(one, plays({}, [](context& c) { c.send(two, weighing(1'000'000)); }));
    if (shared)
      s.world->add(neighbour, plays({}, [](context& c) { c.send(two, weighing(1'000'000)); }));
    s.world->add(two, plays({}));
    s.play();
    REQUIRE(s.messages.size() == (shared ? 2 : 1));
    const std::chrono::duration<double> took = s.messages[0].when;
    CHECK(took.count() == doctest::Approx((shared ? 2 : 1) * alone.count() + 0.005));
  }
}

namespace {

address on(std::uint16_t node) {
  return {.role = role_kind::layer_shard, .replica = node};
}

struct parcel {
  address from, to;
  std::int64_t bytes = 1'000'000; // of a second, at a megabyte a second
  std::chrono::nanoseconds at{0};
};

// The seconds after which each parcel is heard, in a network of 1 MB/s.
std::vector<double> arrivals(simulation_model model, const std::vector<parcel>& parcels) {
  model.link.bytes_per_second = 1e6;
  stage s(std::move(model));
  const auto header = message_bytes(weighing(0));
  std::vector<double> out(parcels.size());
  std::map<address, std::vector<std::size_t>> senders;
  for (std::size_t i = 0; i < parcels.size(); ++i) {
    senders[parcels[i].from].push_back(i);
    senders[parcels[i].to];
  }
  const auto hear = [&](context& c, const message& m) {
    if (const auto* p = std::get_if<protocol::parameters>(&m)) {
      out[p->step] = std::chrono::duration<double>(c.now()).count();
    } else {
      const auto& due = parcels[number_of(m)];
      c.send(due.to, weighing(due.bytes - header, number_of(m)));
    }
  };
  for (const auto& [who, own] : senders)
    s.world->add(who, plays(hear, [&parcels, own = own](context& c) {
                   for (const auto i : own)
                     c.send_after(parcels[i].at, number(i));
                 }));
  s.play();
  return out;
}

void check_near(const std::vector<double>& got, const std::vector<double>& expected) {
  REQUIRE(got.size() == expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    CAPTURE(i);
    CHECK(got[i] == doctest::Approx(expected[i]).epsilon(1e-4));
  }
}

} // namespace

TEST_CASE("whoever sends to one node shares its port, and so does all that a node sends") {
  check_near(arrivals({}, {{on(1), on(9)}}), {1});
  check_near(arrivals({}, {{on(1), on(9)}, {on(2), on(9)}}), {2, 2});
  check_near(arrivals({}, {{on(1), on(8)}, {on(1), on(9)}, {on(1), on(7)}}), {3, 3, 3});
  check_near(arrivals({}, {{on(1), on(8)}, {on(2), on(9)}, {on(8), on(1)}}), {1, 1, 1});
  simulation_model model;
  model.nodes[9].bytes_per_second = 4e6; // its port alone
  check_near(arrivals(model, {{on(1), on(9)}, {on(2), on(9)}}), {1, 1});
  model.links[{1, 9}].bytes_per_second = 5e5; // narrower than both ports
  check_near(arrivals(model, {{on(1), on(9)}, {on(2), on(9)}}), {2, 1});
}

TEST_CASE("a small message does not wait for an early large one, but for those of its own pair") {
  const std::int64_t small = 100'000;
  check_near(arrivals({}, {{on(1), on(9)}, {on(2), on(9), small, 500ms}}), {1.1, 0.7});
  check_near(arrivals({}, {{on(1), on(9)}, {on(1), on(9), small, 500ms}}), {1, 1.1});
  check_near(arrivals({}, {{on(1), on(9), 3'000'000}, {on(2), on(9)}}), {4, 2});
}

TEST_CASE("what goes from rack to rack shares the uplinks of both, and takes longer") {
  simulation_model model;
  model.racks = {.nodes = 4, .bytes_per_second = 5e5, .latency = 10ms};
  check_near(arrivals(model, {{on(1), on(2)}}), {1});
  check_near(arrivals(model, {{on(1), on(4)}}), {2.01});
  check_near(arrivals(model, {{on(1), on(4)}, {on(2), on(5)}, {on(3), on(0)}}), {4.01, 4.01, 1});
  check_near(arrivals(model, {{on(1), on(4)}, {on(5), on(2)}}), {2.01, 2.01});
  check_near(arrivals(model, {{on(1), on(9)}, {on(5), on(10)}}), {4.01, 4.01});
}

TEST_CASE("each port shares by itself: where max-min fair rates would differ, and by how much") {
  // Node 1 sends to four others, one of them node 9, which hears node 2 as well. Max-min: a quarter
  // and three quarters of node 9's port, so node 2 is done after 1.33 s. Here both have a half at
  // first. What is long is right: node 9's port carries as many bytes either way.
  const std::vector<parcel> fan = {{on(1), on(6)}, {on(1), on(7)}, {on(1), on(8)}};
  auto both = fan;
  both.push_back({on(1), on(9)});
  both.push_back({on(2), on(9)});
  check_near(arrivals({}, both), {4, 4, 4, 4, 2});
  both.back().bytes = 10'000'000;
  check_near(arrivals({}, both), {4, 4, 4, 4, 11});
  // Node 1 is busy first and node 9 later. Max-min: node 1 has sent half when node 2 begins, which
  // is done after 2.5 s. Here node 9's port has carried all of it before node 2 comes.
  check_near(arrivals({}, {{on(1), on(8)}, {on(1), on(9)}, {on(2), on(9), 1'000'000, 1s}}),
             {2, 2, 2});
}

TEST_CASE("a cut link keeps what is sent until it heals; the other direction goes on") {
  simulation_model model;
  model.link.latency = 1ms;
  model.faults = {{500us, cut_fault{1, 2}}, {1s, heal_fault{1, 2}}};
  stage s(model);
  s.world->add(one, says(two, 5));
  s.world->add(two, says(one, 5));
  s.play();
  CHECK(s.heard_by(two) == rising(5));
  CHECK(s.times_of(two).front() == 1s + 1ms);
  CHECK(s.times_of(one).back() < 2ms);
}

TEST_CASE("a node or a rack that is cut off keeps what crosses its boundary, and nothing else") {
  for (const auto what : {whole::node, whole::rack}) {
    simulation_model model;
    model.link.latency = 1ms;
    model.racks = {.nodes = 3}; // one and two stand in the first rack
    const int number = what == whole::node ? 1 : 0;
    model.faults = {{500us, isolate_fault{what, number}}, {1s, reconnect_fault{what, number}}};
    stage s(model);
    s.world->add(one, says(two, 5));
    s.world->add(two, says(on(4), 5));
    s.world->add(on(4), says(one, 5));
    s.play();
    const bool rack = what == whole::rack;
    CHECK(s.times_of(two).back() == (rack ? 1ms : 1s + 1ms));
    CHECK(s.times_of(on(4)).back() == (rack ? 1s + 1ms : 1ms));
    CHECK(s.times_of(one).back() == 1s + 1ms);
    CHECK(s.heard_by(one) == rising(5));
  }
}

TEST_CASE("a killed node's actors die at one moment and live again on it") {
  simulation_model model;
  model.faults = {{1ms, kill_node_fault{1}}};
  stage s(model);
  const address neighbour{.role = role_kind::data_loader, .replica = 1};
  std::vector<std::pair<address, std::chrono::nanoseconds>> born;
  const auto note = [&](context& c) { born.emplace_back(c.self(), c.now()); };
  s.world->add(one, plays({}, note));
  s.world->add(neighbour, plays({}, note));
  s.world->add(two, plays({}, note));
  s.play();
  REQUIRE(born.size() == 5);
  CHECK(born[3].second == born[4].second);
  for (const auto& a : s.world->report().actors)
    if (a.who == one || a.who == neighbour) CHECK(a.node == 1);
}

TEST_CASE("actors of a node that leaves go where the fewest are, and home when it joins") {
  simulation_model model;
  model.link.latency = 1ms;
  model.faults = {{10ms, leave_fault{1}}, {20ms, join_fault{1}}, {20ms, leave_fault{3}}};
  stage s(model);
  const address loader{.role = role_kind::data_loader, .replica = 2};
  std::vector<int> nodes; // of `one`, at each birth
  s.world->add(one, plays({}, [&](context&) { nodes.push_back(0); }));
  s.world->add(two, plays({}));
  s.world->add(loader, plays({}));
  s.world->add(on(3), plays({}));
  const auto node_of = [&](const address& who) {
    for (const auto& a : s.world->report().actors)
      if (a.who == who) return a.node;
    return -1;
  };
  std::vector<int> seen;
  s.world->start();
  for (const auto until : {5ms, 15ms, 25ms}) {
    bool passed = false;
    s.world->send(two, number(0));
    s.play_until([&] {
      passed = passed || s.world->report().seconds >= std::chrono::duration<double>(until).count();
      return passed;
    });
    seen.push_back(node_of(one));
  }
  CHECK(seen == std::vector<int>{1, 0, 1}); // the supervisor's node has one actor, as node 3 has
  CHECK(nodes.size() == 3);
  CHECK(node_of(on(3)) != 3);
}

TEST_CASE("a core for which an actor waited when it died and moved serves those that stayed") {
  simulation_model model;
  model.node.cores = 1;
  model.faults = {{15ms, join_fault{1}}};
  stage s(model);
  const auto computes = [](context& c, std::uint64_t step) {
    c.compute(lane::kernels, step, [step](computation& here) {
      here.begin({.amount = 10});
      here.post(number(step));
    });
  };
  s.world->add({.role = role_kind::data_loader}, plays({})); // so node 2 has the fewest actors
  s.world->add(one,
               plays(
                   [&](context& c, const message& m) {
                     if (number_of(m) == 3) computes(c, 1);
                   },
                   [](context& c) { c.send_after(1ms, number(3)); }));
  s.world->add(two,
               plays(
                   [&](context& c, const message& m) {
                     if (number_of(m) == 7) computes(c, 8);
                   },
                   [&](context& c) {
                     computes(c, 0);
                     computes(c, 0);
                     c.send_after(25ms, number(7));
                   }));
  s.play();
  CHECK(s.heard_by(two) == std::vector<std::uint64_t>{0, 0, 7, 8});
  CHECK(s.heard_by(one) == std::vector<std::uint64_t>{3, 3, 1});
}

TEST_CASE(
    "what is on its way to a node that was left is lost, and what has been sent since is not") {
  simulation_model model;
  model.links[{1, 2}] = {.latency = 100ms};
  model.links[{1, 0}] = {.latency = 1ms};
  model.faults = {{10ms, leave_fault{2}}};
  stage s(model);
  s.world->add(one,
               plays(
                   [](context& c, const message& m) {
                     if (number_of(m) < 2) c.send(two, m);
                   },
                   [](context& c) {
                     c.send_after(1ms, number(0));
                     c.send_after(20ms, number(1));
                   }));
  s.world->add(two, plays({}));
  s.play();
  CHECK(s.heard_by(two) == std::vector<std::uint64_t>{1});
  CHECK(s.times_of(two).back() < 30ms);
}

TEST_CASE("computations wait for a core: updates pass kernels, and kernels of lower steps others") {
  simulation_model model;
  model.node.cores = 1;
  stage s(model);
  s.world->add(one, plays({}, [](context& c) {
                 const auto ask = [&](lane where, std::uint64_t n) {
                   c.compute(where, n, [n](computation& here) {
                     here.begin({.amount = 10});
                     here.post(number(n));
                   });
                 };
                 ask(lane::kernels, 1);
                 ask(lane::kernels, 3);
                 ask(lane::kernels, 2);
                 ask(lane::updates, 4);
                 ask(lane::brief, 5);
               }));
  s.play();
  auto heard = s.heard_by(one);
  auto times = s.times_of(one);
  REQUIRE(times.size() == 5);
  CHECK(times.back() == 40ms);
  CHECK(times[0] == 10ms); // the brief one waits for nobody
  CHECK(times[1] == 10ms);
  CHECK(heard[2] == 4);
  CHECK(heard[3] == 2);
  CHECK(heard[4] == 3);
}

TEST_CASE("what a computation posts is spread over the work that it comes of") {
  for (const double slowness : {1.0, 3.0}) {
    simulation_model model;
    model.node.slowness = slowness;
    stage s(model);
    s.world->add(one, plays({}, [](context& c) {
                   c.compute(lane::kernels, [](computation& here) {
                     here.begin({.amount = 10});
                     here.post(number(1));
                     here.begin({.amount = 20});
                     here.post(number(2));
                     here.post(number(3));
                   });
                 }));
    s.play();
    const auto unit = static_cast<int>(slowness) * 10ms;
    CHECK(s.heard_by(one) == std::vector<std::uint64_t>{1, 2, 3});
    CHECK(s.times_of(one) == std::vector<std::chrono::nanoseconds>{unit, 2 * unit, 3 * unit});
    CHECK(s.world->report().actors.front().busy_seconds == doctest::Approx(0.03 * slowness));
  }
}

TEST_CASE("a killed actor's computation ends with it: the rest is not heard, the core is free") {
  simulation_model model;
  model.node.cores = 1;
  model.faults = {{15ms, kill_fault{one}}};
  stage s(model);
  const address neighbour{.role = role_kind::data_loader, .replica = 1};
  const auto thirty = [](std::uint64_t n) {
    return [n](computation& here) {
      for (int i = 0; i < 3; ++i) {
        here.begin({.amount = 10});
        here.post(number(n));
      }
    };
  };
  s.world->add(one, plays({}, [&](context& c) {
                 if (c.life() == 1) c.compute(lane::kernels, thirty(1));
               }));
  s.world->add(neighbour,
               plays(
                   [&](context& c, const message& m) {
                     if (number_of(m) == 0) c.compute(lane::kernels, thirty(2));
                   },
                   [](context& c) { c.send_after(1ms, number(0)); }));
  s.play();
  CHECK(s.heard_by(one) == std::vector<std::uint64_t>{1});
  CHECK(s.times_of(neighbour).at(2) == 25ms); // after the timer and `restarted`
  CHECK(s.times_of(neighbour).back() == 45ms);
}

TEST_CASE("a paused node hears and computes nothing, and goes on where it was") {
  simulation_model model;
  model.faults = {{5ms, pause_fault{1}}, {105ms, resume_fault{1}}};
  stage s(model);
  s.world->add(one, plays({}, [](context& c) {
                 c.compute(lane::kernels, [](computation& here) {
                   here.begin({.amount = 10});
                   here.post(number(1));
                 });
               }));
  s.world->add(two, plays({}, [](context& c) { c.send_after(8ms, number(7)); }));
  s.play();
  CHECK(s.times_of(one) == std::vector<std::chrono::nanoseconds>{110ms});
  CHECK(s.times_of(two) == std::vector<std::chrono::nanoseconds>{8ms});
}

TEST_CASE("a new incarnation hears what comes while it starts, and others are told of it") {
  simulation_model model;
  model.link.latency = 1ms;
  stage s(model);
  int lives = 0;
  s.world->add(one, plays({}, [&](context&) { ++lives; }));
  s.world->add(two, plays([](context& c, const message& m) {
                 if (std::holds_alternative<protocol::restarted>(m)) c.send(one, number(9));
               }));
  s.world->kill_at({one, 3, 1});
  s.world->start();
  s.world->send(one, number(3));
  s.play_until([] { return false; });
  CHECK(lives == 2);
  CHECK(s.heard_by(one) == std::vector<std::uint64_t>{3, 9});
}

TEST_CASE("where nothing is left to happen, it is told who heard what last") {
  simulation_model model{.seed = 42};
  model.faults = {{1ms, cut_fault{1, 2}}, {2ms, pause_fault{2}}};
  stage s(model);
  s.world->add(one, says(two, 3));
  s.world->add(two, plays({}));
  s.play();
  for (const char* part : {"nobody can go on",
                           "seed 42",
                           "cut links: 1 -> 2",
                           "node 2 is paused",
                           "the job waits for layer_shard/2/0: node 2 is paused",
                           "last heard begin_step of step 2 from layer_shard/1/0"})
    CHECK_MESSAGE(s.stuck.find(part) != std::string::npos, part, " in\n", s.stuck);
}

TEST_CASE("a message weighs its tensors and a header") {
  const auto header = message_bytes(number(1));
  CHECK(message_bytes(weighing(4096)) == header + 4096);
  const std::vector<float> zeros(16);
  const auto t = make_tensor({16}, zeros);
  CHECK(message_bytes(protocol::boundary_ready{{0, 0, 0, t}}) == header + 64);
  CHECK(message_bytes(protocol::reduced_gradient{0, 0, t, t}) == header + 128);
  CHECK(message_bytes(protocol::saved{0, "", {t, t}, ""}) == header + 128);
  CHECK(message_bytes(protocol::batch{0, 0, {t, t, 1}}) == header + 128);
  CHECK(message_key(protocol::gradient{1, 2, {0, 1}, t}) !=
        message_key(protocol::gradient{1, 2, {1, 1}, t}));
}
