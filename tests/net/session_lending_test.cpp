#include "net/sessions.hpp"
#include "support/session_world.hpp"
#include "support/shared_tensors.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace {

using namespace troupe::net;
using namespace std::chrono_literals;
using troupe::test::session_world;
using texts = std::vector<std::string>;

session_options lending(std::uint32_t number, std::uint64_t life, std::shared_ptr<lender> by) {
  session_options out = session_world::options_of(number, life);
  out.self.process = this_process();
  out.self.memory = by->name();
  out.lends = std::move(by);
  return out;
}

// Two that lend to each other. Node 1 dials.
session_world two_that_lend(const std::shared_ptr<lender>& zero,
                            const std::shared_ptr<lender>& one) {
  session_world w;
  w.start(0, lending(0, 11, zero));
  w.start(1, lending(1, 22, one)).dial("0", "");
  w.run(20ms);
  w.take(0);
  w.take(1);
  return w;
}

TEST_CASE("what is lent arrives once, however often connections break, and is returned") {
  const auto zero = troupe::test::new_lender(), one = troupe::test::new_lender();
  session_world w = two_that_lend(zero, one);
  for (int i = 0; i < 200; ++i) {
    w.post(1, 0, troupe::test::shared_parcel_of(std::to_string(i), 300, static_cast<float>(i)));
    if (i % 20 == 7) w.cut(0, 1);
    w.run(2ms);
  }
  w.run(500ms);
  texts expected;
  for (int i = 0; i < 200; ++i)
    expected.push_back("1: " + std::to_string(i));
  CHECK(w.take(0) == expected);
  CHECK(w.numbers(0).size() == 200);
  CHECK(std::is_sorted(w.numbers(0).begin(), w.numbers(0).end()));
  CHECK(one->loans() == 0);
  CHECK(w.nodes[0].s->counts().malformed == 0);
}

TEST_CASE("the first parcel of a link may be sent; those after it are lent") {
  const auto zero = troupe::test::new_lender(), one = troupe::test::new_lender();
  session_world w = two_that_lend(zero, one);
  CHECK(w.nodes[1].s->links()[0].borrows);
  w.post(1, 0, troupe::test::shared_parcel_of("x", 300, 1));
  CHECK(one->loans() == 1);
  w.run(20ms);
  w.run(20ms);
  CHECK(one->loans() == 0);
}

TEST_CASE("a link that is given up takes back what did not arrive") {
  const auto zero = troupe::test::new_lender(), one = troupe::test::new_lender();
  session_world w = two_that_lend(zero, one);
  w.swallow(1, 0, true);
  w.post(1, 0, troupe::test::shared_parcel_of("x", 300, 1));
  w.run(20ms);
  CHECK(one->loans() == 1);
  w.swallow(0, 1, true);
  w.run(3s);
  CHECK(one->loans() == 0);
  CHECK(w.take(1) == texts{"down 0.11: no connection for 1.0 s: nothing heard for 0.6 s"});
}

TEST_CASE("who does not share its memory, or cannot be read, is sent everything") {
  const auto zero = troupe::test::new_lender(), one = troupe::test::new_lender();
  for (const int how : {0, 1, 2}) {
    CAPTURE(how);
    session_world w;
    session_options deaf = lending(0, 11, zero), o = lending(1, 22, one);
    if (how == 0) o.lends = nullptr;
    if (how == 1) o.self.memory.token += 1;
    if (how == 2) o.self.process.machine += 1;
    w.start(0, deaf);
    w.start(1, o).dial("0", "");
    w.run(20ms);
    w.take(0);
    w.post(1, 0, troupe::test::shared_parcel_of("x", 300, 4));
    CHECK(one->loans() == 0);
    w.run(20ms);
    CHECK(w.take(0) == texts{"1: x"});
    CHECK(w.numbers(0) == std::vector<float>{4});
  }
}

TEST_CASE("loans that nobody made are refused, and change nothing") {
  const auto zero = troupe::test::new_lender(), one = troupe::test::new_lender();
  for (const bool shares : {false, true}) {
    CAPTURE(shares);
    session_world w;
    session_options liar = lending(1, 22, one);
    liar.lends = nullptr; // its loans are not looked at
    if (!shares) liar.self.memory = {};
    w.start(0, lending(0, 11, zero));
    w.start(1, liar).dial("0", "");
    w.run(20ms);
    w.take(0);
    parcel p = troupe::test::shared_parcel_of("x", 300, 1);
    p.payloads[0].lent = loan{.slot = loan_board::slots, .term = 1, .offset = 0, .size = 1200};
    w.post(1, 0, std::move(p));
    w.run(50ms);
    CHECK(w.take(0).empty());
    CHECK(w.nodes[0].s->counts().malformed > 0);
  }
}

} // namespace
