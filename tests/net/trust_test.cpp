#include "net/trust.hpp"

#include "support/error_of.hpp"

#include <doctest/doctest.h>

#include <string>

namespace {

using namespace troupe::net;

const std::string key_a(40, 'a'), key_b = std::string(39, 'b') + "#";

TEST_CASE("a list of trusted keys says which nodes a key may be") {
  const auto list = trust_list::parse(
      "# who may join\n\none 1-3,7 " + key_a + "\n  two any " + key_b + "\n", "keys");
  REQUIRE(list.find(key_a) != nullptr);
  CHECK(list.find(key_a)->may_be(3));
  CHECK(list.find(key_a)->may_be(7));
  CHECK_FALSE(list.find(key_a)->may_be(4));
  CHECK(list.find(key_b)->may_be(4000000000));
  CHECK(list.find("") == nullptr);
  const auto again = trust_list::parse(list.text(), "keys");
  CHECK(again.text() == list.text());
  CHECK(again.find(key_a)->nodes_text() == "1-3,7");
}

TEST_CASE("a name or a key is in the list once: the last word counts") {
  trust_list list;
  list.allow({"one", key_a, parse_nodes("1", "")});
  list.allow({"one", key_b, parse_nodes("2", "")});
  list.allow({"two", key_b, parse_nodes("3", "")});
  REQUIRE(list.all().size() == 1);
  CHECK(list.all()[0].name == "two");
  CHECK(list.forbid("two"));
  CHECK_FALSE(list.forbid("two"));
}

TEST_CASE("all mistakes of a list are told, each with its line") {
  const std::string text = "one 1\ntwo 5-2 " + key_a + "\nthree 1 short\nfour 1 " + key_a +
                           "\nfour 2 " + key_b + "\nfive x " + key_b + "\n";
  CHECK_ERROR(trust_list::parse(text, "keys"), "keys:1: a line has three words: NAME NODES KEY");
  CHECK_ERROR(trust_list::parse(text, "keys"), "keys:2: '5-2' is no list of nodes");
  CHECK_ERROR(trust_list::parse(text, "keys"), "keys:3: 'short' is no public key");
  CHECK_ERROR(trust_list::parse(text, "keys"), "keys:5: the name 'four' is there twice");
  CHECK_ERROR(trust_list::parse(text, "keys"), "keys:6: 'x' is no list of nodes");
}

} // namespace
