#include "net/sessions.hpp"

#include "ops/random.hpp"
#include "support/session_world.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

template <>
struct doctest::StringMaker<std::vector<std::string>> {
  static String convert(const std::vector<std::string>& texts) {
    std::string out;
    for (const auto& t : texts)
      out += "[" + t + "]";
    return out.c_str();
  }
};

namespace {

using namespace troupe::net;
using namespace std::chrono_literals;
using troupe::test::session_world;
using troupe::test::two;
using texts = std::vector<std::string>;

constexpr auto small = lane_kind::small, bulk = lane_kind::bulk;

session_options as(std::uint32_t number, std::uint64_t life) {
  return session_world::options_of(number, life);
}

TEST_CASE("who dials and who is dialled are up, once, and say so before any parcel") {
  session_world w = two();
  CHECK(w.take(0) == texts{"up 1.22"});
  CHECK(w.take(1) == texts{"up 0.11"});
  w.send(0, 1, "small", small);
  w.send(1, 0, "large", bulk);
  w.run(20ms);
  CHECK(w.take(0) == texts{"1: large"});
  CHECK(w.take(1) == texts{"0: small"});
  CHECK(w.connections(0, 1) == 2); // a lane each
}

TEST_CASE("what was on its way when a connection broke arrives once and in order") {
  session_world w = two();
  texts to_0, to_1;
  w.take(0);
  w.take(1);
  for (int i = 0; i < 200; ++i) {
    w.send(1, 0, std::to_string(i), i % 3 == 0 ? bulk : small);
    w.send(0, 1, std::to_string(i), i % 5 == 0 ? bulk : small);
    if (i % 20 == 7) w.cut(0, 1);
    w.run(2ms);
  }
  w.run(500ms);
  for (const int name : {0, 1}) {
    const texts heard = w.take(name);
    CHECK(heard.size() == 200); // no up and down either
    for (const bool large : {false, true}) {
      std::vector<int> numbers;
      for (const auto& t : heard) {
        const int n = std::stoi(t.substr(3));
        if ((n % (name == 0 ? 3 : 5) == 0) == large) numbers.push_back(n);
      }
      CHECK(std::is_sorted(numbers.begin(), numbers.end()));
    }
  }
  CHECK(w.nodes[1].s->links()[0].reconnections > 5);
}

TEST_CASE("another life of a node takes its place: down of the old one, then up of the new one") {
  session_world w = two();
  w.take(0);
  w.take(1);
  w.kill(1);
  w.start(1, as(1, 33)).dial("0", "");
  w.run(50ms);
  CHECK(w.take(0) == texts{"down 1.22: another life took its place", "up 1.33"});
  CHECK(w.take(1) == texts{"up 0.11"});
}

TEST_CASE("of two lives with one number the later one stays, and the older one is told") {
  session_world w = two();
  w.start(2, as(1, 33)).dial("0", ""); // says that it is node 1
  w.run(100ms);
  CHECK(w.take(2) == texts{"up 0.11"});
  const texts old = w.take(1);
  REQUIRE(old.size() == 3);
  CHECK(old[1] == "refused: refused at 0: this life of node 1 has ended: it must start again");
  CHECK(old[2] == "down 0.11: this life of node 1 has ended: it must start again");
  w.run(5s);
  CHECK(w.take(2).empty());
}

TEST_CASE("a node that is dialled may restart, and is dialled again") {
  session_world w = two();
  w.take(1);
  w.kill(0);
  w.run(300ms);
  w.start(0, as(0, 44));
  w.run(1500ms);
  CHECK(w.take(1) == texts{"down 0.11: another life took its place", "up 0.44"});
}

TEST_CASE("a peer that stays away is given up, with what was the matter") {
  session_world w = two();
  w.take(1);
  w.send(1, 0, "last", small);
  w.kill(0);
  w.run(900ms);
  CHECK(w.take(1).empty());
  w.run(300ms);
  const texts heard = w.take(1);
  REQUIRE(heard.size() == 1);
  CHECK(heard[0] == "down 0.11: no connection for 1.0 s: it broke");
}

TEST_CASE(
    "a peer whose process ended is down as soon as its connection is, and all it said is heard") {
  session_world w = two();
  w.take(1);
  const node_life zero = w.nodes[0].s->me();
  w.send(0, 1, "last words", small);
  w.run(1ms);
  w.nodes[1].s->process_ended(zero, w.now);
  w.nodes[1].s->process_ended({0, 99}, w.now); // of nobody
  w.run(1ms);
  CHECK(w.take(1) == texts{"0: last words"});
  w.kill(0);
  w.run(1ms);
  CHECK(w.take(1) == texts{"down 0.11: its process ended"});
}

TEST_CASE("a connection does not outlive its process for long") {
  session_world w = two();
  w.take(1);
  w.nodes[1].s->process_ended(w.nodes[0].s->me(), w.now);
  w.run(90ms);
  CHECK(w.take(1).empty());
  w.run(20ms);
  CHECK(w.take(1).front() == "down 0.11: its process ended");
}

TEST_CASE("silence breaks a connection within a second, in whichever direction") {
  for (const auto& [from, to] : {std::pair(0, 1), std::pair(1, 0)}) {
    session_world w = two(3s);
    w.take(0);
    w.take(1);
    w.swallow(from, to, true);
    w.run(850ms);
    CHECK_FALSE(w.nodes[to].s->links()[0].connected[0]);
    CHECK(w.take(to).empty()); // not down yet
    w.send(from, to, "text", small);
    w.swallow(from, to, false);
    w.run(3500ms);
    CHECK(w.take(to) == texts{std::to_string(from) + ": text"});
    CHECK(w.take(from).empty());
  }
}

TEST_CASE("two nodes that gave each other up are up again when they meet, each once") {
  for (const bool both : {false, true}) {
    session_world w = two();
    w.take(0);
    w.take(1);
    if (!both) w.nodes[0].s->dial("1", "");
    w.swallow(0, 1, true);
    w.swallow(1, 0, both);
    w.send(0, 1, "lost", small);
    w.run(6s);
    w.swallow(0, 1, false);
    w.swallow(1, 0, false);
    w.run(4s);
    w.send(0, 1, "after", small);
    w.send(1, 0, "after", small);
    w.run(100ms);
    for (const int name : {0, 1}) {
      const texts heard = w.take(name);
      REQUIRE(heard.size() == 3);
      CHECK(heard[0].substr(0, 4) == "down");
      CHECK(heard[1].substr(0, 2) == "up");
      CHECK(heard[2].substr(1) == ": after");
    }
  }
}

TEST_CASE("a late hello to a link that was given up opens nothing and ends nothing") {
  session_world w = two();
  w.swallow(0, 1, true);
  w.swallow(1, 0, true);
  w.run(6s);
  w.swallow(0, 1, false);
  w.swallow(1, 0, false);
  w.run(2s);
  w.take(0);
  frame late; // said before, for either lane of the first link
  late.kind = frame_kind::hello;
  late.from = {1, 22};
  late.to = {0, 11};
  late.content.body = encode(hello_body{.self = as(1, 22).self});
  auto& s = *w.nodes[0].s;
  for (const auto lane : {small, bulk}) {
    const connection c = s.fresh_connection();
    late.lane = lane;
    s.received(c, "", encode(late, true), {}, w.now);
    frame lost = late; // a parcel of that link, which is not one of this link
    lost.kind = frame_kind::parcel;
    lost.number = 1;
    s.received(c, "", encode(lost, true), {}, w.now);
  }
  w.send(1, 0, "text", small);
  w.run(500ms);
  CHECK(w.take(0) == texts{"1: text"});
  CHECK(s.links()[0].reconnections == 0);
}

TEST_CASE("nodes that do not belong together tell both, with both values") {
  struct difference {
    void (*change)(introduction&);
    std::string text;
  };

  for (const auto& d :
       {difference{[](introduction& i) { i.job = "another"; },
                   "job 'a job' at node 0, 'another' at node 1"},
        difference{[](introduction& i) { i.wiring = 0xabc; },
                   "wiring 0000000000000000 at node 0, 0000000000000abc at node 1"},
        difference{[](introduction& i) { i.model = 1; },
                   "model 0000000000000000 at node 0, 0000000000000001 at node 1"}}) {
    session_world w;
    w.start(0, as(0, 11));
    auto other = as(1, 22);
    d.change(other.self);
    w.start(1, other).dial("0", "");
    w.run(5s);
    CHECK(w.take(0) == texts{"refused: node 0 and node 1 are not of one job: " + d.text});
    CHECK(w.take(1) ==
          texts{"refused: refused at 0: node 0 and node 1 are not of one job: " + d.text});
    CHECK(w.nodes[1].s->dials()[0].abandoned);
  }
}

TEST_CASE("another version of the wire is refused for good, by whoever reads it") {
  session_world w;
  auto& s = w.start(0, as(0, 11));
  frame hello;
  hello.from = {1, 22};
  hello.kind = frame_kind::hello;
  auto bytes = encode(hello, true);
  bytes[sizeof(std::uint64_t) + sizeof(std::uint32_t)] = std::byte{9};
  s.received(s.fresh_connection(), "", bytes, {}, w.now);
  w.run(10ms);
  const std::string text = "version 9 of the wire format; this is " + std::to_string(wire_version);
  CHECK(w.take(0) == texts{"refused: " + text});

  auto& dialler = w.start(2, as(2, 33));
  dialler.dial("7", "");
  const auto order = dialler.next_dial(w.now);
  REQUIRE(order);
  dialler.received(order->id, "", bytes, {}, w.now);
  w.run(10ms);
  CHECK(w.take(2) == texts{"refused: " + text});
  CHECK(dialler.dials()[0].abandoned);
}

TEST_CASE("nodes without a number get one, and meet those who were there") {
  session_world w;
  auto first = as(0, 11);
  first.gives = {1, 3};
  w.start(0, first);
  for (int name = 1; name < 4; ++name) {
    w.start(name, as(no_node, 20 + static_cast<std::uint64_t>(name))).dial("0", "");
    w.run(30ms);
  }
  CHECK(w.nodes[3].s->me() == node_life{3, 23});
  CHECK(w.take(3) == texts{"up 0.11", "up 1.21", "up 2.22"});
  CHECK(w.take(1) == texts{"up 0.11", "up 2.22", "up 3.23"});
  w.start(4, as(no_node, 24)).dial("0", "");
  w.run(100ms);
  CHECK(w.take(4).empty());
  CHECK(w.nodes[4].s->dials()[0].trouble == "node 0 has no number left to give");
  w.kill(2);
  w.run(4s);
  CHECK(w.nodes[4].s->me().node == 2);
}

TEST_CASE("nodes that join at one time find each other") {
  session_world w;
  w.start(0, as(0, 11));
  for (int name = 1; name < 5; ++name)
    w.start(name, as(static_cast<std::uint32_t>(name), 20 + static_cast<std::uint64_t>(name)))
        .dial("0", "");
  w.run(100ms);
  for (int name = 0; name < 5; ++name)
    CHECK(w.take(name).size() == 4);
}

TEST_CASE("nodes that all dial each other, and themselves, have one link to each") {
  session_world w;
  for (int name = 0; name < 4; ++name) {
    auto& s = w.start(name, as(static_cast<std::uint32_t>(name), 11));
    (void)s;
  }
  for (int name = 0; name < 4; ++name) {
    w.start(name, as(static_cast<std::uint32_t>(name), 50 + static_cast<std::uint64_t>(name)));
    for (int other = 0; other < 4; ++other)
      w.nodes[name].s->dial(std::to_string(other), "");
  }
  w.run(3s);
  for (int name = 0; name < 4; ++name) {
    texts heard = w.take(name);
    CHECK(heard.size() == 3);
    CHECK(std::all_of(heard.begin(), heard.end(), [](auto& t) { return t.substr(0, 2) == "up"; }));
    for (int other = 0; other < name; ++other)
      CHECK(w.connections(name, other) == 2);
  }
}

TEST_CASE("a garbled frame breaks its connection, is not believed, and is sent again") {
  session_world w = two();
  w.take(0);
  w.take(1);
  for (const auto& [from, to] : {std::pair(0, 1), std::pair(1, 0)}) {
    w.garble_next(from, to);
    w.send(from, to, "text", small);
    w.run(400ms);
    CHECK(w.take(to) == texts{std::to_string(from) + ": text"});
    CHECK(w.nodes[to].s->counts().malformed == 1);
  }
}

TEST_CASE("who ends says bye and is down at once, and parcels to it are refused") {
  session_world w = two();
  w.take(0);
  w.nodes[1].s->stop("this node ended", w.now);
  w.run(10ms);
  CHECK(w.take(0) == texts{"down 1.22: it ended"});
  w.send(0, 1, "text", small);
  CHECK_FALSE(w.last_sent());
}

TEST_CASE("frames of one who has not said hello are nobody's") {
  session_world w;
  auto& s = w.start(0, as(0, 11));
  frame f;
  f.kind = frame_kind::parcel;
  f.from = {1, 22};
  f.to = {0, 11};
  f.number = 1;
  s.received(s.fresh_connection(), "", encode(f, true), {}, w.now);
  w.run(10ms);
  CHECK(w.take(0).empty());
  CHECK(s.counts().strangers == 1);
}

TEST_CASE("one cannot speak for another") {
  session_world w = two();
  w.start(2, as(2, 33)).dial("0", "");
  w.run(20ms);
  w.take(0);
  auto& s = *w.nodes[0].s;
  frame f; // of node 1, on a connection of node 2
  f.kind = frame_kind::bye;
  f.from = {1, 22};
  f.to = {0, 11};
  for (connection c = 1; c < 20; ++c) {
    f.from = {7, 22};
    s.received(c, "", encode(f, true), {}, w.now);
  }
  w.run(10ms);
  CHECK(w.take(0).empty());
}

std::string key_of(char c) {
  return std::string(40, c);
}

TEST_CASE("a key may be only the nodes that its line says") {
  session_world w;
  const auto list =
      trust_list::parse("zero 0 " + key_of('z') + "\none 1-2 " + key_of('a') + "\n", "keys");
  auto with = [&](session_options o, char key) {
    o.trust = list;
    o.self.public_key = key_of(key);
    return o;
  };
  w.start(0, with(as(0, 11), 'z'));
  w.start(1, with(as(1, 22), 'a')).dial("0", key_of('z'));
  w.run(20ms);
  CHECK(w.take(0) == texts{"up 1.22"});
  w.start(3, with(as(3, 33), 'a')).dial("0", key_of('z'));
  w.run(20ms);
  CHECK(w.take(0) ==
        texts{"refused: the key 'one' may be node 1-2, not node 3 (the list of node 0)"});
  w.start(4, with(as(2, 44), 'b')).dial("0", key_of('z'));
  w.run(20ms);
  CHECK(w.take(0) == texts{"refused: node 0 does not trust the key of node 2"});
  auto liar = with(as(2, 55), 'a');
  w.start(5, liar).dial("0", key_of('z'));
  w.nodes[5].key = key_of('b'); // what its connection proves
  w.run(20ms);
  CHECK(w.take(0).empty()); // told before

  w.nodes[0].s->trust(trust_list::parse("zero 0 " + key_of('z') + "\n", "keys"), w.now);
  w.run(20ms);
  CHECK(w.take(0).front() == "down 1.22: its key is not trusted any more");
}

// What each node hears of each other one, checked as it comes.
struct watched_world {
  session_world w;
  std::map<std::pair<int, int>, std::string> up;        // at, who: its life
  std::map<std::pair<int, int>, std::vector<int>> sent; // from, to: the numbers taken
  std::map<std::pair<int, int>, std::size_t> came;      // from, to: how many of them, since `up`
  int number = 0;

  void send(int from, int to) {
    w.send(from, to, std::to_string(number), small);
    if (w.last_sent()) sent[{from, to}].push_back(number);
    ++number;
  }

  void look(int at) {
    for (const auto& t : w.take(at)) {
      if (t.rfind("refused", 0) == 0) continue;
      if (t.rfind("up ", 0) == 0) {
        auto& life = up[{at, t[3] - '0'}];
        CHECK(life.empty());
        life = t.substr(3);
        came[{t[3] - '0', at}] = 0;
      } else if (t.rfind("down ", 0) == 0) {
        auto& life = up[{at, t[5] - '0'}];
        CHECK(life == t.substr(5, t.find(':') - 5));
        life.clear();
      } else {
        parcel(t[0] - '0', at, std::stoi(t.substr(3)));
      }
    }
  }

  // The first of a link may come after some that older links lost; the others follow it.
  void parcel(int from, int to, int said) {
    CHECK_FALSE(up[{to, from}].empty());
    const auto& all = sent[{from, to}];
    const auto at = std::find(all.begin(), all.end(), said);
    REQUIRE(at != all.end());
    const auto index = static_cast<std::size_t>(at - all.begin());
    auto& before = came[{from, to}];
    if (before > 0) CHECK(index == before);
    before = index + 1;
  }

  void heal() {
    for (int from = 0; from < 3; ++from)
      for (int to = 0; to < 3; ++to)
        w.swallow(from, to, false);
  }
};

TEST_CASE("drawn faults: each up has one down, and parcels of a link come once and in order") {
  for (unsigned seed = 0; seed < 40; ++seed) {
    CAPTURE(seed);
    troupe::random_stream draw({.seed = seed});
    watched_world watched;
    session_world& w = watched.w;
    std::uint64_t life = 1;
    const auto begin = [&](int name) {
      auto& s = w.start(name, as(static_cast<std::uint32_t>(name), ++life));
      for (int other = 0; other < 3; ++other)
        if (other != name && (other < name || seed % 2 == 0)) s.dial(std::to_string(other), "");
    };
    const auto restart = [&](int name) {
      watched.look(name);
      w.kill(name);
      for (int other = 0; other < 3; ++other)
        watched.up[{name, other}].clear();
      begin(name);
    };
    const auto fault = [&](int a, int b) {
      switch (draw.below(12)) {
      case 0:
        return w.cut(a, b);
      case 1:
        return w.swallow(a, b, true);
      case 2:
      case 3:
        return watched.heal();
      case 4:
        return draw.below(4) == 0 ? restart(a) : w.garble_next(b, a);
      case 5:
        return w.garble_next(a, b);
      default:
        return watched.send(a, b);
      }
    };
    for (int name = 0; name < 3; ++name)
      begin(name);
    for (int round = 0; round < 60; ++round) {
      const int a = static_cast<int>(draw.below(3));
      fault(a, (a + 1 + static_cast<int>(draw.below(2))) % 3);
      w.run(std::chrono::milliseconds(draw.below(300)));
      for (int name = 0; name < 3; ++name)
        watched.look(name);
    }
    watched.heal();
    w.run(6s);
    for (int from = 0; from < 3; ++from)
      for (int to = 0; to < 3; ++to)
        if (from != to) watched.send(from, to);
    w.run(1s);
    for (int at = 0; at < 3; ++at) {
      watched.look(at);
      CHECK(w.nodes[at].s->links().size() == 2);
      CHECK(w.nodes[at].s->is_drained());
      for (int from = 0; from < 3; ++from)
        if (from != at) CHECK(watched.came[{from, at}] == watched.sent[{from, at}].size());
    }
  }
}

} // namespace
