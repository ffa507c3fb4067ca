#include "net/zeromq/curve.hpp"
#include "support/deadline.hpp"
#include "support/fault_proxy.hpp"
#include "support/live_node.hpp"
#include "support/node_process.hpp"
#include "support/scratch_folder.hpp"
#include "support/shared_tensors.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace {

using namespace troupe::net;
using namespace std::chrono_literals;
using troupe::test::deadline;
using troupe::test::live_node;
using troupe::test::shared_parcel_of;

constexpr auto bulk = lane_kind::bulk;

node_options listening(const std::string& where) {
  node_options out = live_node::number(0);
  out.listen = {where};
  return out;
}

node_options dialling(const std::string& where) {
  node_options out = live_node::number(1);
  out.dial = {{where, ""}};
  return out;
}

parcel tensor_of(const std::string& text) {
  return shared_parcel_of(text, 5000, 0);
}

bool borrows(live_node& at) {
  return at.reports([](const node_report& r) { return !r.links.empty() && r.links[0].borrows; });
}

bool all_returned() {
  const auto end = std::chrono::steady_clock::now() + 20s;
  while (lender::of_process()->loans() > 0) {
    if (std::chrono::steady_clock::now() > end) return false;
    lender::of_process()->collect();
    std::this_thread::sleep_for(1ms);
  }
  return true;
}

TEST_CASE("nodes of one machine lend tensors to each other, over every kind of connection") {
  const deadline end(60s, "lending");
  const troupe::test::scratch_folder folder;
  for (const std::string& where : {std::string("inproc://lending"),
                                   "ipc://" + folder.file("socket"),
                                   std::string("tcp://127.0.0.1:*")}) {
    CAPTURE(where);
    live_node zero(listening(where)), one(dialling(zero.endpoint()));
    REQUIRE(one.hears("up 0"));
    REQUIRE(borrows(one));
    REQUIRE(borrows(zero));
    zero.hold();
    for (int i = 0; i < 20; ++i)
      one.send(0, bulk, tensor_of(std::to_string(i)));
    REQUIRE(zero.hears("1: 19"));
    CHECK(lender::of_process()->loans() == 20);
    CHECK(zero.held_bytes() > 20 * 20'000);
    zero.let_go();
    CHECK(all_returned());
  }
}

TEST_CASE("nodes with keys lend as well") {
  const deadline end(60s, "lending with keys");
  const auto zero_key = make_key_pair("zero"), one_key = make_key_pair("one");
  node_options a = listening("tcp://127.0.0.1:*");
  a.keys = zero_key;
  a.trust.allow({"one", one_key.public_key, {{1, 1}}});
  live_node zero(a);
  node_options b = dialling(zero.endpoint());
  b.dial[0].server_key = zero_key.public_key;
  b.keys = one_key;
  b.trust.allow({"zero", zero_key.public_key, {{0, 0}}});
  live_node one(b);
  REQUIRE(one.hears("up 0"));
  REQUIRE(borrows(one));
  zero.hold();
  one.send(0, bulk, tensor_of("x"));
  REQUIRE(zero.hears("1: x"));
  CHECK(lender::of_process()->loans() == 1);
}

TEST_CASE("a node that is told not to share neither lends nor borrows") {
  const deadline end(60s, "no lending");
  for (const bool listener : {true, false}) {
    CAPTURE(listener);
    node_options a = listening("tcp://127.0.0.1:*");
    a.shares_memory = !listener;
    live_node zero(a);
    node_options b = dialling(zero.endpoint());
    b.shares_memory = listener;
    live_node one(b);
    REQUIRE(one.hears("up 0"));
    REQUIRE(zero.hears("up 1"));
    zero.hold();
    one.hold();
    one.send(0, bulk, tensor_of("x"));
    zero.send(1, bulk, tensor_of("y"));
    REQUIRE(zero.hears("1: x"));
    REQUIRE(one.hears("0: y"));
    CHECK(zero.held_bytes() > 20'000);
    CHECK(lender::of_process()->loans() == 0);
  }
}

TEST_CASE("lent tensors arrive once and in order over connections that break") {
  const deadline end(60s, "broken connections");
  live_node zero(listening("tcp://127.0.0.1:*"));
  troupe::test::fault_proxy proxy(zero.endpoint());
  live_node one(dialling(proxy.endpoint()));
  REQUIRE(one.hears("up 0"));
  REQUIRE(borrows(one));
  std::vector<std::string> expected{"up 1"};
  for (int i = 0; i < 200; ++i) {
    one.send(0, bulk, tensor_of(std::to_string(i)));
    expected.push_back("1: " + std::to_string(i));
    if (i % 30 == 10) proxy.cut();
    if (i % 30 == 20) proxy.reset();
    if (i % 10 == 0) REQUIRE(zero.hears("1: " + std::to_string(i)));
  }
  REQUIRE(zero.hears("1: 199"));
  CHECK(zero.heard() == expected);
  CHECK(one->report().links[0].reconnections > 5);
  CHECK(all_returned());
}

TEST_CASE("a process that is killed with what it borrowed leaves nothing lent") {
  const troupe::test::scratch_folder folder;
  troupe::test::node_process other(listening("ipc://" + folder.file("socket")));
  const deadline end(30s, "a killed borrower");
  node_options patient = dialling(other.meet(""));
  patient.give_up_after = 1h; // it is dead before it is silent for too long
  live_node here(patient);
  REQUIRE(here.hears("up 0"));
  REQUIRE(borrows(here));
  other.signal(SIGSTOP); // it takes nothing
  for (int i = 0; i < 10; ++i)
    here.send(0, bulk, tensor_of("x"));
  REQUIRE(here.reports(
      [](const node_report& r) { return r.links.empty() || r.links[0].counts.parcels_sent > 5; }));
  other.signal(SIGKILL);
  REQUIRE(here.hears("down 0: its process ended"));
  CHECK(all_returned());
}

} // namespace
