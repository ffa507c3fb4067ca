#include "net/zeromq/node.hpp"

#include "support/deadline.hpp"
#include "support/error_of.hpp"
#include "support/fault_proxy.hpp"
#include "support/live_node.hpp"
#include "support/scratch_folder.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace troupe::net;
using namespace std::chrono_literals;
using troupe::test::deadline;
using troupe::test::fault_proxy;
using troupe::test::live_node;
using troupe::test::parcel_of;

constexpr auto small = lane_kind::small, bulk = lane_kind::bulk;

node_options numbered(std::uint32_t number) {
  return live_node::number(number);
}

node_options listening(std::uint32_t number, const std::string& where = "tcp://127.0.0.1:*") {
  node_options out = numbered(number);
  out.listen = {where};
  return out;
}

node_options dialling(std::uint32_t number, const std::string& where) {
  node_options out = numbered(number);
  out.dial = {{where, ""}};
  return out;
}

// The numbers that `from` said, in their order.
std::vector<int> numbers(live_node& at, std::uint32_t from) {
  const std::string prefix = std::to_string(from) + ": ";
  std::vector<int> out;
  for (const auto& text : at.heard())
    if (text.rfind(prefix, 0) == 0) out.push_back(std::stoi(text.substr(prefix.size())));
  return out;
}

std::vector<int> up_to(int count) {
  std::vector<int> out;
  for (int i = 0; i < count; ++i)
    out.push_back(i);
  return out;
}

TEST_CASE("parcels that are dropped or damaged on purpose are sent again, once and in order") {
  const deadline end(60s, "recovering");
  for (const bool damaged : {false, true}) {
    CAPTURE(damaged);
    live_node one(listening(1));
    auto speaks = dialling(2, one.endpoint());
    speaks.faults = std::make_shared<wire_faults>();
    const auto wire = speaks.faults;
    live_node two(std::move(speaks));
    REQUIRE(one.hears("up 2"));
    for (int n = 0; n < 40; ++n) {
      if (n % 10 == 9) // the last one as well: nothing after it shows that it is missing
        damaged ? wire->damage(1, 1) : wire->drop(1, 1);
      two.say(1, std::to_string(n));
    }
    CHECK(one.hears("2: 39"));
    CHECK(numbers(one, 2) == up_to(40));
  }
}

TEST_CASE("nodes meet over inproc, ipc and tcp, and parcels with payloads pass both ways") {
  const deadline end(30s, "meeting");
  const troupe::test::scratch_folder folder;
  for (const std::string& where : {std::string("inproc://meeting"),
                                   "ipc://" + folder.file("socket"),
                                   std::string("tcp://127.0.0.1:*")}) {
    CAPTURE(where);
    live_node zero(listening(0, where)), one(dialling(1, zero.endpoint()));
    REQUIRE(one.hears("up 0"));
    CHECK(one.send(0, bulk, parcel_of("large", 3'000'000)) == sent::taken);
    CHECK(one.say(0, "small") == sent::taken);
    REQUIRE(zero.hears("1: large"));
    REQUIRE(zero.hears("1: small"));
    CHECK(zero.send(1, bulk, parcel_of("back", 100)) == sent::taken);
    REQUIRE(one.hears("0: back"));
    CHECK_FALSE(zero.broken);
    CHECK_FALSE(one.broken);
    CHECK(zero->stop(5s));
    CHECK(one.hears("down 0: it ended"));
  }
}

TEST_CASE("five nodes that know one find all others, and every parcel arrives once and in order") {
  const deadline end(30s, "five nodes");
  std::vector<std::unique_ptr<live_node>> nodes;
  node_options first = listening(0);
  first.gives = {1, 4};
  nodes.push_back(std::make_unique<live_node>(first));
  for (int i = 1; i < 5; ++i) {
    node_options other = listening(no_node);
    other.dial = {{nodes[0]->endpoint(), ""}};
    nodes.push_back(std::make_unique<live_node>(other));
    REQUIRE(nodes.back()->hears("up", i));
  }
  for (auto& n : nodes)
    REQUIRE(n->hears("up", 4));
  for (int k = 0; k < 200; ++k)
    for (std::uint32_t from = 0; from < 5; ++from)
      for (std::uint32_t to = 0; to < 5; ++to) {
        const auto at = nodes[from]->operator->()->report().me.node;
        if (at != to) CHECK(nodes[from]->say(to, std::to_string(k)) == sent::taken);
      }
  for (auto& n : nodes) {
    REQUIRE(n->hears(": 199", 4));
    const auto me = (*n)->report().me.node;
    for (std::uint32_t from = 0; from < 5; ++from)
      if (from != me) CHECK(numbers(*n, from) == up_to(200));
  }
}

TEST_CASE("every parcel arrives once and in order, however often connections break") {
  const deadline end(60s, "broken connections");
  // A machine that stands still for a second without a connection is not what this is about.
  const auto patient = [](node_options o) {
    o.give_up_after = 20s;
    return o;
  };
  live_node zero(patient(listening(0)));
  fault_proxy proxy(zero.endpoint());
  live_node one(patient(dialling(1, proxy.endpoint())));
  REQUIRE(one.hears("up 0"));
  REQUIRE(zero.hears("up 1"));
  for (int i = 0; i < 300; ++i) {
    one.send(0, small, parcel_of(std::to_string(i)));
    zero.send(1, i % 2 == 0 ? bulk : small, parcel_of(std::to_string(i), i % 2 == 0 ? 50'000 : 0));
    if (i % 30 == 10) proxy.cut();
    if (i % 30 == 20) proxy.reset();
    if (i % 10 == 0) REQUIRE(zero.hears("1: " + std::to_string(i)));
  }
  REQUIRE(zero.hears("1: 299"));
  REQUIRE(one.hears("0: 298"));
  REQUIRE(one.hears("0: 299"));
  CHECK(numbers(zero, 1) == up_to(300));
  CHECK(numbers(one, 0).size() == 300);
  CHECK_FALSE(one.broken);
  CHECK(zero.heard().front() == "up 1");
  CHECK_FALSE(zero.heard()[1].substr(0, 2) == "up");
  CHECK(one->report().links[0].reconnections > 5);
}

TEST_CASE("a hello that stays without an answer is said again soon, however patient a node is") {
  const deadline end(60s, "a lost answer");
  auto patient = listening(0);
  patient.give_up_after = 60s;
  patient.faults = std::make_shared<wire_faults>();
  patient.faults->cut_to(1, true);
  const auto wire = patient.faults;
  live_node zero(std::move(patient));
  auto other = dialling(1, zero.endpoint());
  other.give_up_after = 60s;
  live_node one(other);
  REQUIRE(one.reports([](const node_report& r) { return r.dials[0].tries > 1; }));
  CHECK(one->report().dials[0].trouble == "no answer within 2.0 s");
  wire->cut_to(1, false);
  CHECK(one.hears("up 0"));
}

TEST_CASE("changed bytes are never believed: the connection breaks and heals") {
  const deadline end(60s, "changed bytes");
  live_node zero(listening(0));
  fault_proxy proxy(zero.endpoint());
  live_node one(dialling(1, proxy.endpoint()));
  REQUIRE(one.hears("up 0"));
  for (int i = 0; i < 40; ++i) {
    if (i % 8 == 3) proxy.corrupt(1);
    one.send(0, bulk, parcel_of(std::to_string(i), 200'000));
    REQUIRE(zero.hears("1: " + std::to_string(i)));
  }
  CHECK(numbers(zero, 1) == up_to(40));
  CHECK_FALSE(zero.broken);
}

TEST_CASE("a node that starts again is another life: down, then up") {
  const deadline end(30s, "restart");
  live_node zero(listening(0));
  fault_proxy proxy(zero.endpoint());
  auto one = std::make_unique<live_node>(dialling(1, proxy.endpoint()));
  REQUIRE(zero.hears("up 1"));
  const node_life before = zero.life_of(1);
  proxy.refuse(true); // so that it cannot say bye
  proxy.reset();
  one.reset();
  proxy.refuse(false);
  one = std::make_unique<live_node>(dialling(1, proxy.endpoint()));
  REQUIRE(zero.hears("up 1", 2));
  const auto heard = zero.heard();
  CHECK(heard == std::vector<std::string>{"up 1", "down 1: another life took its place", "up 1"});
  CHECK(zero->send(before, small, parcel_of("for the old one")) == sent::not_up);
}

TEST_CASE("a silent peer is noticed, and down when it stays silent") {
  const deadline end(30s, "silence");
  node_options quick = listening(0);
  quick.link.silent_after = 200ms;
  quick.link.heartbeat = 50ms;
  quick.give_up_after = 500ms;
  live_node zero(quick);
  fault_proxy proxy(zero.endpoint());
  node_options other = dialling(1, proxy.endpoint());
  other.link = quick.link;
  other.give_up_after = 500ms;
  live_node one(other);
  REQUIRE(zero.hears("up 1"));
  REQUIRE(one.hears("up 0"));
  const auto began = std::chrono::steady_clock::now();
  proxy.swallow(true, true);
  REQUIRE(zero.hears("down 1: no connection for 0.5 s"));
  CHECK(std::chrono::steady_clock::now() - began < 5s);
  REQUIRE(one.hears("down 0: "));
  proxy.swallow(false, false);
  REQUIRE(zero.hears("up 1", 2));
  REQUIRE(one.hears("up 0", 2));
}

TEST_CASE("nodes of different jobs refuse each other with both values") {
  const deadline end(30s, "refusal");
  live_node zero(listening(0));
  node_options other = dialling(1, zero.endpoint());
  other.job = "other";
  other.wiring = 5;
  live_node one(other);
  const std::string text = "job 'test' at node 0, 'other' at node 1; wiring 0000000000000000 at "
                           "node 0, 0000000000000005 at node 1";
  CHECK(zero.hears(text));
  CHECK(one.hears(text));
}

TEST_CASE("small parcels overtake large ones") {
  const deadline end(60s, "overtaking");
  live_node zero(listening(0));
  fault_proxy proxy(zero.endpoint());
  live_node one(dialling(1, proxy.endpoint()));
  REQUIRE(one.hears("up 0"));
  proxy.throttle(20'000'000); // 10 MB take half a second
  for (int i = 0; i < 2; ++i)
    one.send(0, bulk, parcel_of("large", 10'000'000));
  for (int i = 0; i < 20; ++i)
    one.send(0, small, parcel_of("small"));
  REQUIRE(zero.hears("1: small", 20));
  proxy.throttle(0);
  REQUIRE(zero.hears("1: large", 2));
  const auto heard = zero.heard();
  const auto last_small = std::find(heard.rbegin(), heard.rend(), "1: small");
  const auto last_large = std::find(heard.rbegin(), heard.rend(), "1: large");
  CHECK(last_large < last_small);
}

TEST_CASE("a peer that does not read costs bounded memory, and its sender is told") {
  const deadline end(60s, "congestion");
  live_node zero(listening(0));
  fault_proxy proxy(zero.endpoint());
  node_options o = dialling(1, proxy.endpoint());
  o.queue_bytes_max = 2'000'000;
  o.link.window_bytes[1] = 500'000;
  live_node one(o);
  REQUIRE(one.hears("up 0"));
  REQUIRE(zero.hears("up 1"));
  proxy.stop_reading(true);
  int taken = 0;
  while (one.send(0, bulk, parcel_of(std::to_string(taken), 100'000)) == sent::taken)
    REQUIRE(++taken < 100);
  CHECK(taken >= 19);
  CHECK(one->report().links[0].kept_bytes <= 2'000'000);
  proxy.stop_reading(false);
  REQUIRE(one.hears("relieved 0"));
  REQUIRE(zero.hears("1: " + std::to_string(taken - 1)));
  CHECK(numbers(zero, 1) == up_to(taken));
}

TEST_CASE("an owner who takes nothing holds up its sender, and nobody else") {
  const deadline end(60s, "credit");
  live_node zero(listening(0)), two(dialling(2, zero.endpoint()));
  node_options o = dialling(1, zero.endpoint());
  o.queue_bytes_max = 2'000'000;
  o.link.window_bytes[1] = 500'000;
  live_node one(o);
  REQUIRE(zero.hears("up 1"));
  REQUIRE(zero.hears("up 2"));
  zero.hold();
  int taken = 0;
  for (; taken < 5; ++taken)
    one.send(0, bulk, parcel_of(std::to_string(taken), 100'000));
  REQUIRE(zero.hears("1: 4"));
  REQUIRE(one.reports([](const node_report& r) { return r.links[0].kept_bytes == 0; }));
  while (one.send(0, bulk, parcel_of(std::to_string(taken), 100'000)) == sent::taken)
    REQUIRE(++taken < 100);
  CHECK(taken >= 23); // 5 over there, 2 MB here
  CHECK(zero.held_bytes() < 700'000);
  CHECK(two.say(0, "hello") == sent::taken);
  CHECK(one.say(0, "small") == sent::taken); // a lane of its own
  REQUIRE(zero.hears("2: hello"));
  REQUIRE(zero.hears("1: small"));
  CHECK(zero.held_bytes() < 700'000);
  zero.let_go();
  REQUIRE(one.hears("relieved 0"));
  REQUIRE(zero.hears("1: " + std::to_string(taken - 1)));
  CHECK(zero.reports([](const node_report& r) { return r.links[0].counts.untaken_bytes == 0; }));
}

TEST_CASE("a node that stops has sent what it took; one that cannot does not wait longer") {
  const deadline end(60s, "stopping");
  live_node zero(listening(0));
  {
    live_node one(dialling(1, zero.endpoint()));
    REQUIRE(one.hears("up 0"));
    std::thread sender([&] {
      for (int i = 0; one.say(0, std::to_string(i)) == sent::taken && i < 20000; ++i) {
      }
    });
    REQUIRE(zero.hears("1: 50"));
    CHECK(one->stop(5s));
    sender.join();
    CHECK(one.say(0, "late") == sent::not_up);
  }
  REQUIRE(zero.hears("down 1: it ended"));
  const auto got = numbers(zero, 1);
  CHECK(got == up_to(static_cast<int>(got.size())));

  fault_proxy proxy(zero.endpoint());
  live_node two(dialling(2, proxy.endpoint()));
  REQUIRE(two.hears("up 0"));
  proxy.swallow(true, true);
  two.say(0, "never");
  CHECK_FALSE(two->stop(50ms));
}

TEST_CASE("an endpoint that is none, or open to strangers, is refused with what to do") {
  CHECK_ERROR(live_node(listening(0, "tcp://0.0.0.0:5000")), "troupe keys --make");
  CHECK_ERROR(live_node(listening(0, "tcp://*:5000")), "is open to the network");
  CHECK_ERROR(live_node(listening(0, "tcpp://127.0.0.1:5000")), "did you mean tcp://?");
  CHECK_ERROR(live_node(listening(0, "tcp://127.0.0.1")), "has no host and port");
  CHECK_ERROR(live_node(dialling(0, "tcp://10.0.0.1:5000")), "is open to the network");
  live_node zero(listening(0));
  CHECK_ERROR(live_node(listening(1, zero.endpoint())), "Address already in use");
}

} // namespace
