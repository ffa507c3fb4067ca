#include "net/zeromq/curve.hpp"
#include "net/zeromq/node.hpp"
#include "net/zeromq/sockets.hpp"
#include "support/deadline.hpp"
#include "support/error_of.hpp"
#include "support/fault_proxy.hpp"
#include "support/live_node.hpp"
#include "support/scratch_folder.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <algorithm>
#include <string>
#include <variant>

namespace {

using namespace troupe::net;
using namespace std::chrono_literals;
using troupe::test::deadline;
using troupe::test::live_node;
using troupe::test::parcel_of;

struct world_of_keys {
  key_pair zero = make_key_pair("zero"), one = make_key_pair("one"), other = make_key_pair("other");
  trust_list trusted;

  world_of_keys() {
    trusted.allow({"zero", zero.public_key, {{0, 0}}});
    trusted.allow({"one", one.public_key, {{1, 2}}});
  }

  node_options listening(const std::string& where = "tcp://127.0.0.1:*") const {
    node_options out = live_node::number(0);
    out.listen = {where};
    out.keys = zero;
    out.trust = trusted;
    return out;
  }

  node_options dialling(std::uint32_t number, const live_node& to, const key_pair& mine) const {
    node_options out = live_node::number(number);
    out.dial = {{to.endpoint(), zero.public_key}};
    out.keys = mine;
    out.trust = trusted;
    return out;
  }
};

bool was_tried(live_node& one) {
  return one.reports([](const node_report& r) { return r.dials[0].tries > 2; });
}

TEST_CASE("nodes with the right keys meet over tcp and ipc, and know each other's names") {
  const deadline end(30s, "keys");
  const world_of_keys keys;
  const troupe::test::scratch_folder folder;
  for (const std::string& where :
       {std::string("tcp://127.0.0.1:*"), "ipc://" + folder.file("socket")}) {
    live_node zero(keys.listening(where));
    live_node one(keys.dialling(1, zero, keys.one));
    REQUIRE(zero.hears("up 1"));
    REQUIRE(one.hears("up 0"));
    one.send(0, lane_kind::bulk, parcel_of("large", 2'000'000));
    REQUIRE(zero.hears("1: large"));
    CHECK_FALSE(zero.broken);
  }
}

TEST_CASE("a key that is not in the list does not come in, nor does one without a key") {
  const deadline end(30s, "other keys");
  const world_of_keys keys;
  live_node zero(keys.listening());
  live_node stranger(keys.dialling(1, zero, keys.other));
  node_options plain = live_node::number(1);
  plain.dial = {{zero.endpoint(), ""}};
  live_node bare(plain);
  REQUIRE(was_tried(stranger));
  REQUIRE(was_tried(bare));
  CHECK(zero.heard().empty());
  CHECK(stranger->report().dials[0].trouble == "its node does not know the key");
  CHECK(zero->report().counts.malformed == 0); // not a byte of theirs was read
}

TEST_CASE("who dials another node than it thinks does not talk to it") {
  const deadline end(30s, "another server");
  const world_of_keys keys;
  live_node zero(keys.listening());
  node_options wrong = keys.dialling(1, zero, keys.one);
  wrong.dial[0].server_key = keys.other.public_key;
  live_node one(wrong);
  REQUIRE(was_tried(one));
  CHECK(zero.heard().empty());
  CHECK(one.heard().empty());
}

TEST_CASE("a key takes no node that its line does not give it") {
  const deadline end(30s, "another number");
  const world_of_keys keys;
  live_node zero(keys.listening());
  live_node three(keys.dialling(3, zero, keys.one));
  const std::string text = "the key 'one' may be node 1-2, not node 3";
  CHECK(zero.hears(text));
  CHECK(three.hears(text));
}

TEST_CASE("a key that is removed ends its links and stays out; one that is added comes in") {
  const deadline end(30s, "removed");
  world_of_keys keys;
  live_node zero(keys.listening());
  live_node one(keys.dialling(1, zero, keys.one));
  REQUIRE(zero.hears("up 1"));
  const trust_list before = keys.trusted;
  keys.trusted.forbid("one");
  zero->trust(keys.trusted);
  REQUIRE(zero.hears("down 1: its key is not trusted any more"));
  REQUIRE(one.reports(
      [](const node_report& r) { return r.dials[0].trouble == "its node does not know the key"; }));
  const auto heard = zero.heard();
  CHECK(std::count(heard.begin(), heard.end(), "up 1") == 1);
  zero->trust(before);
  CHECK(zero.hears("up 1", 2));
}

TEST_CASE("without a handler that admits it, no key is believed") {
  const deadline end(30s, "no handler");
  const world_of_keys keys;
  // A message whose connection proved nothing, as it would come past a server without ZAP.
  session_options o;
  o.me = {0, 1};
  o.trust = keys.trusted;
  sessions s(o);
  frame hello;
  hello.kind = frame_kind::hello;
  hello.from = {1, 5};
  hello.to = {no_node, 0};
  hello.content.body = encode(hello_body{.self = {.public_key = keys.one.public_key}});
  s.received(s.fresh_connection(), "", encode(hello, true), {}, time_point{1});
  const auto told = s.next_event();
  REQUIRE(told);
  CHECK(std::get<node_refused>(*told).text == "node 0 does not trust the key of node 1");
}

TEST_CASE("changed bytes break an encrypted connection, which heals") {
  const deadline end(60s, "changed bytes");
  const world_of_keys keys;
  live_node zero(keys.listening());
  troupe::test::fault_proxy proxy(zero.endpoint());
  node_options o = keys.dialling(1, zero, keys.one);
  o.dial[0].endpoint = proxy.endpoint();
  o.link.stuck_after = 100ms; // what says that the other side reads no more
  live_node one(o);
  REQUIRE(one.hears("up 0"));
  for (int i = 0; i < 10; ++i) {
    if (i % 4 == 1) proxy.corrupt(1);
    one.send(0, lane_kind::bulk, parcel_of(std::to_string(i), 100'000));
    REQUIRE(zero.hears("1: " + std::to_string(i)));
  }
  CHECK(zero.heard().size() == 11);
  CHECK_FALSE(zero.broken);
}

TEST_CASE("with keys a node needs those of whom it dials, and both halves of its own") {
  const world_of_keys keys;
  live_node zero(keys.listening());
  node_options o = keys.dialling(1, zero, keys.one);
  o.dial[0].server_key = "";
  CHECK_ERROR(live_node(o), "no public key for");
  o = keys.dialling(1, zero, keys.one);
  o.keys->public_key = keys.other.public_key;
  CHECK_ERROR(live_node(o), "do not belong together");
  o = keys.dialling(1, zero, keys.one);
  o.listen = {"inproc://somewhere"};
  CHECK_ERROR(live_node(o), "cannot be encrypted");
}

TEST_CASE("a secret key is for its owner alone, and no text shows it") {
  const troupe::test::scratch_folder folder;
  const key_pair made = make_key_pair("one");
  write_key_files(made, folder.path());
  const std::string secret = folder.file("one.secret");

  struct stat found {};

  ::stat(secret.c_str(), &found);
  CHECK((found.st_mode & 0777) == 0600);
  const key_pair read = read_secret_file(secret);
  CHECK(read.name == "one");
  CHECK(read.public_key == made.public_key);
  CHECK(read.secret.reveal() == made.secret.reveal());
  CHECK(read_public_file(folder.file("one.public")).public_key == made.public_key);
  CHECK(public_key_of(read.secret) == made.public_key);
  CHECK_ERROR(write_key_files(made, folder.path()), "there is a key 'one' already");

  ::chmod(secret.c_str(), 0640);
  CHECK_ERROR(read_secret_file(secret), "its mode is 0640; 0600 is asked for");
  const std::string damaged = folder.write("damaged.secret", made.secret.reveal() + " x");
  ::chmod(damaged.c_str(), 0600);
  const std::string text = troupe::test::error_of([&] { (void)read_secret_file(damaged); });
  CHECK(text.find("it should say NAME KEY SECRET") != std::string::npos);
  CHECK(text.find(made.secret.reveal()) == std::string::npos);
}

} // namespace
