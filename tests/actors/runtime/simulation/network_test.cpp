// When messages arrive: a gigabyte a second, so a byte takes a nanosecond.
#include "actors/runtime/simulation/network.hpp"

#include <doctest/doctest.h>

#include <map>

using namespace troupe;
using namespace troupe::simulation;
using namespace std::chrono_literals;

namespace {

simulation_model model_of(duration latency) {
  simulation_model out;
  out.link = {.latency = latency, .bytes_per_second = 1e9};
  return out;
}

// Actor n lives on node n. A message is known by the order of sending.
struct fixture {
  explicit fixture(simulation_model m = model_of(0ns)) : model(std::move(m)) {}

  void send_at(instant when, int from, int to, std::int64_t bytes) {
    events.push({.when = when, .happen = [this, from, to, bytes] {
                   const auto t = mail.add({.from = static_cast<std::uint32_t>(from),
                                            .to = static_cast<std::uint32_t>(to),
                                            .to_life = static_cast<incarnation>(++sent),
                                            .to_node = to,
                                            .bytes = bytes});
                   net.send(t, from);
                 }});
  }

  void play() {
    while (!events.empty())
      events.pop().happen();
  }

  simulation_model model;
  event_queue events{1};
  letters mail;
  std::map<int, instant> heard; // by the order of sending, from 1
  int sent = 0;
  network net{model, events, mail, [this](const letter& l, bool) {
                heard[static_cast<int>(l.to_life)] = events.now();
              }};
};

} // namespace

TEST_CASE("a message alone takes the time of its bytes and the latency") {
  fixture f(model_of(100ns));
  f.send_at(0ns, 0, 1, 1000);
  f.send_at(5000ns, 0, 1, 1000);
  f.play();
  CHECK(f.heard == std::map<int, instant>{{1, 1100ns}, {2, 6100ns}});
}

TEST_CASE("who is joined is late, though its arrival had been planned") {
  fixture f(model_of(50ns));
  f.send_at(0ns, 0, 2, 1000);
  f.send_at(400ns, 1, 2, 1000); // they share the port of 2: 600 left, and 1000
  f.play();
  CHECK(f.heard == std::map<int, instant>{{1, 1650ns}, {2, 2050ns}});
}

TEST_CASE("who is joined at its end is not late") {
  fixture f;
  f.send_at(0ns, 0, 2, 1000);
  f.send_at(1000ns, 1, 2, 1000);
  f.play();
  CHECK(f.heard == std::map<int, instant>{{1, 1000ns}, {2, 2000ns}});
}

TEST_CASE("messages of one actor to another follow each other, those of others share") {
  fixture f;
  f.send_at(0ns, 0, 2, 1000);
  f.send_at(1ns, 0, 2, 1000);
  f.send_at(2ns, 0, 2, 1000);
  f.play();
  CHECK(f.heard == std::map<int, instant>{{1, 1000ns}, {2, 2000ns}, {3, 3000ns}});
}

TEST_CASE("a message waits for the slowest of what carries it") {
  fixture f;
  f.send_at(0ns, 0, 1, 1000); // out of 0: both share; into 1 and 2: alone
  f.send_at(0ns, 0, 2, 1000);
  f.send_at(500ns, 3, 2, 3000); // into 2: a third flow joins one that is late anyway
  f.play();
  CHECK(f.heard.at(1) == 2000ns);
  CHECK(f.heard.at(2) == 2000ns);
  CHECK(f.heard.at(3) == 4000ns);
}

TEST_CASE("what had arrived when the link was cut is heard when it heals, in order") {
  fixture f(model_of(100ns));
  f.send_at(0ns, 0, 1, 1000);
  f.events.push({.when = 500ns, .happen = [&] { f.net.cut(0, 1); }});
  f.send_at(2000ns, 0, 1, 1000);
  f.events.push({.when = 9000ns, .happen = [&] { f.net.heal(0, 1); }});
  f.play();
  CHECK(f.heard == std::map<int, instant>{{1, 9100ns}, {2, 10100ns}});
}
