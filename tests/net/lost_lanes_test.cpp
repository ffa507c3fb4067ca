// Lanes of which one side believes that they stand, and the other does not.
#include "net/sessions.hpp"
#include "support/session_world.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace {

using namespace troupe::net;
using namespace std::chrono_literals;
using troupe::test::session_world;
using troupe::test::two;
using texts = std::vector<std::string>;

constexpr auto small = lane_kind::small, bulk = lane_kind::bulk;

TEST_CASE("a lane that only who was dialled has dropped is dialled again") {
  session_world w = two(3s);
  w.take(0);
  w.take(1);
  w.swallow(1, 0, true); // node 0 hears nothing, node 1 hears it
  w.run(700ms);
  w.swallow(1, 0, false);
  w.send(0, 1, "text", bulk);
  w.run(2s);
  CHECK(w.take(1) == texts{"0: text"});
  CHECK(w.take(0).empty());
  CHECK(w.connections(0, 1) == 2);
}

TEST_CASE("a hello that comes late takes no lane away for good") {
  session_world w = two();
  w.take(1);
  auto& s = *w.nodes[0].s;
  frame late; // of a connection that has ended, and was read after the one that stands
  late.kind = frame_kind::hello;
  late.from = {1, 22};
  late.to = {0, 11};
  late.content.body = encode(hello_body{.self = session_world::options_of(1, 22).self});
  for (const auto lane : {small, bulk}) {
    const connection c = s.fresh_connection();
    late.lane = lane;
    s.received(c, "", encode(late, true), {}, w.now);
    s.broken(c, "it broke", w.now);
    w.send(0, 1, "text", lane);
    w.run(100ms);
    CHECK(w.take(1) == texts{"0: text"});
  }
}

TEST_CASE("a bulk lane that only who dialled believes in is asked for") {
  session_world w = two();
  w.take(1);
  auto& s = *w.nodes[0].s;
  const connection last = s.fresh_connection();
  for (connection c = 2; c < last; ++c) // the small lane's is the first
    s.broken(c, "it broke", w.now);
  REQUIRE(s.links()[0].connected[0]);
  REQUIRE_FALSE(s.links()[0].connected[1]);
  w.send(0, 1, "text", bulk);
  w.run(1500ms);
  CHECK(w.take(1) == texts{"0: text"});
}

TEST_CASE("a bulk lane that never comes is asked for less and less often") {
  sessions zero(session_world::options_of(0, 11));
  const connection c = zero.fresh_connection();
  frame said;
  said.kind = frame_kind::hello;
  said.from = {1, 22};
  said.to = {0, 11};
  said.content.body = encode(hello_body{.self = session_world::options_of(1, 22).self});
  std::vector<int> asked; // in which second
  for (time_point now = 1s; now < 100s; now += 100ms) {
    zero.received(c, "", encode(said, true), {}, now);
    said.kind = frame_kind::state;
    said.content.body.clear();
    zero.advance(now);
    while (const auto next = zero.next_sending(now))
      if (next->what.kind == frame_kind::refusal) asked.push_back(static_cast<int>(now / 1s));
  }
  CHECK(asked == std::vector<int>{2, 4, 8, 16, 32, 64, 96});
}

} // namespace
