#include "actors/runtime/membership.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace {

using namespace troupe;

const address holder{.role = role_kind::parameter_holder};

address shard(std::uint32_t node) {
  return {.role = role_kind::layer_shard, .replica = node};
}

// A holder on node 0, a shard on each of four.
struct four_nodes {
  directory known{0};
  membership leader;

  explicit four_nodes(std::uint32_t holder_on = 0)
      : leader(known, 4, {"step 0", "saved/step-0"}, [](const address& a) {
          return a.role == role_kind::parameter_holder;
        }) {
    known.add(holder, holder_on);
    for (std::uint32_t n = 0; n < 4; ++n)
      known.add(shard(n), n);
    known.admit({0, 100, 1});
  }

  membership::outcome up(std::uint32_t node, std::uint64_t life) {
    known.linked({node, life});
    return leader.up({node, life});
  }

  void all_up_and_playing() {
    for (std::uint32_t n = 1; n < 4; ++n)
      (void)up(n, 100 + n);
    (void)leader.start(known.all());
  }
};

std::vector<std::uint32_t> nodes_of(const std::vector<placement>& all) {
  std::vector<std::uint32_t> out;
  for (const auto& p : all)
    out.push_back(p.node);
  return out;
}

// "view to 1", in order.
std::vector<std::string> orders(const membership::outcome& what) {
  static constexpr const char* names[] = {"view", "place", "leave", "lost", "kill", "over"};
  std::vector<std::string> out;
  for (const auto& [to, o] : what.orders)
    out.push_back(names[o.index()] + std::string(" to ") + std::to_string(to));
  return out;
}

std::vector<std::string> deaths(const membership::outcome& what) {
  std::vector<std::string> out;
  for (const auto& d : what.deaths)
    out.push_back(d.who.text() + " " + std::to_string(d.life));
  return out;
}

TEST_CASE("a node that comes hears who plays, and the others hear of it") {
  four_nodes n;
  CHECK(n.leader.missing() == std::vector<std::uint32_t>{1, 2, 3});
  CHECK(orders(n.up(1, 101)) == std::vector<std::string>{"view to 1"});
  CHECK(orders(n.up(2, 102)) == std::vector<std::string>{"place to 1", "view to 2"});
  CHECK(n.leader.missing() == std::vector<std::uint32_t>{3});
  const auto view = std::get<order::view>(n.up(3, 103).orders.back().second);
  CHECK(view.members.size() == 4);
  CHECK(view.start == "step 0");
  CHECK(n.leader.missing().empty());
}

TEST_CASE("the dead of a lost node are told when it is there again, and no sooner") {
  four_nodes n;
  n.all_up_and_playing();
  const auto lost = n.leader.down({2, 102}, "its process ended");
  CHECK(lost.deaths.empty());
  CHECK(n.leader.missing() == std::vector<std::uint32_t>{2});
  const auto back = n.up(2, 202);
  CHECK(deaths(back) == std::vector<std::string>{shard(2).text() + " 1"});
  CHECK(back.deaths[0].killed);
  CHECK(back.deaths[0].reason == "node 2 was lost: its process ended");
  CHECK(orders(back) == std::vector<std::string>{"place to 1", "place to 3", "view to 2"});
  CHECK(n.known.admitted(2) == member{2, 202, 2});
  const auto again = n.leader.start({shard(2)});
  CHECK(again == std::vector<placement>{{shard(2), 2, 2}});
}

TEST_CASE("who has state is told dead when its node is there again, as all are") {
  four_nodes n(2);
  n.all_up_and_playing();
  CHECK(deaths(n.leader.down({2, 102}, "it is gone")).empty());
  CHECK(deaths(n.up(2, 202)).size() == 2);
}

TEST_CASE("an actor that was started while its node was away is told dead with its newest life") {
  four_nodes n;
  n.all_up_and_playing();
  (void)n.leader.down({2, 102}, "it is gone");
  (void)n.leader.start({shard(2)});
  CHECK(deaths(n.up(2, 202)) == std::vector<std::string>{shard(2).text() + " 2"});
}

TEST_CASE("actors of a node that is not waited for go on where fewest are, and home again") {
  four_nodes n;
  n.all_up_and_playing();
  (void)n.leader.down({2, 102}, "it is gone");
  const auto moved = n.leader.move_from(2);
  CHECK(deaths(moved) == std::vector<std::string>{shard(2).text() + " 1"});
  CHECK(moved.deaths[0].reason == "node 2 was lost: it is gone");
  CHECK(n.leader.missing().empty());
  CHECK(n.leader.move_from(2).deaths.empty());
  CHECK(n.leader.start({shard(2)}) == std::vector<placement>{{shard(2), 2, 1}}); // node 0 has two
  CHECK(n.leader.start({shard(2)}) == std::vector<placement>{{shard(2), 3, 3}}); // and now node 1
  const auto back = n.up(2, 202);
  CHECK(back.deaths.empty());
  CHECK(back.ends == std::vector<address>{shard(2)});
  CHECK(n.leader.start({shard(2)}) == std::vector<placement>{{shard(2), 4, 2}});
}

TEST_CASE("who keeps parameters goes where the beginning is known, and stays there") {
  four_nodes n(2);
  n.all_up_and_playing();
  (void)n.leader.down({2, 102}, "it is gone");
  CHECK(n.leader.move_from(2).deaths.size() == 2);
  CHECK(nodes_of(n.leader.start({holder, shard(2)})) == std::vector<std::uint32_t>{0, 1});
  CHECK(n.up(2, 202).ends == std::vector<address>{shard(2)});
}

TEST_CASE("a copy goes where no other copy is") {
  directory known{0};
  const address other{.role = role_kind::parameter_holder, .stage = 1};
  const address third{.role = role_kind::parameter_holder, .replica = 1};
  membership leader(
      known,
      3,
      {"", ""},
      [](const address&) { return false; },
      [&](const address& who) {
        return who == third ? std::vector<address>{third} : std::vector<address>{holder, other};
      });
  known.add(holder, 0);
  known.add(other, 2);
  known.add(third, 1);
  known.add(shard(1), 1);
  known.admit({0, 100, 1});
  (void)leader.up({1, 101});
  (void)leader.up({2, 102});
  (void)leader.start(known.all());
  (void)leader.down({2, 102}, "it is gone");
  (void)leader.move_from(2);
  CHECK(nodes_of(leader.start({other})) ==
        std::vector<std::uint32_t>{1}); // though node 0 has fewer
}

TEST_CASE(
    "a node that is drained ends when it has nobody, and gets its actors when it comes again") {
  four_nodes n;
  n.all_up_and_playing();
  const auto what = n.leader.drain(2);
  CHECK(what.ends == std::vector<address>{shard(2)});
  CHECK(what.deaths.empty());
  CHECK(n.leader.drain(2).ends.empty());
  CHECK(n.leader.emptied().empty());
  CHECK(nodes_of(n.leader.start({shard(2)})) == std::vector<std::uint32_t>{1});
  const auto told = n.leader.emptied();
  REQUIRE(told.size() == 1);
  CHECK(told[0].first == 2);
  CHECK(std::get<order::over>(told[0].second).drained);
  CHECK(n.leader.emptied().empty());

  (void)n.leader.down({2, 102}, "the link broke");
  CHECK(n.leader.missing().empty());
  CHECK(n.up(2, 102).ends.empty()); // it did not hear it
  CHECK(n.leader.emptied().size() == 1);
  (void)n.leader.down({2, 102}, "its process ended");
  CHECK(n.up(2, 202).ends == std::vector<address>{shard(2)});
  CHECK(nodes_of(n.leader.start({shard(2)})) == std::vector<std::uint32_t>{2});
}

TEST_CASE("a node that is not there is drained at once") {
  four_nodes n;
  n.all_up_and_playing();
  (void)n.leader.down({3, 103}, "it is gone");
  CHECK(deaths(n.leader.drain(3)) == std::vector<std::string>{shard(3).text() + " 1"});
  CHECK(n.leader.missing().empty());
}

TEST_CASE("of two nodes that lost each other one begins anew, once") {
  four_nodes n;
  n.all_up_and_playing();
  const auto what = n.leader.lost(1, {n.known.admitted(3), n.known.admitted(1).term, "silent"});
  CHECK(what.sent_away == std::vector<std::uint32_t>{3});
  CHECK(orders(what) ==
        std::vector<std::string>{"leave to 3", "place to 1", "place to 2", "view to 3"});
  CHECK(deaths(what) == std::vector<std::string>{shard(3).text() + " 1"});
  CHECK(n.known.admitted(3) == member{3, 103, 2});
  // The other one says so as well: of a term that is over.
  CHECK(n.leader.lost(3, {n.known.admitted(1), 1, "silent"}).orders.empty());
  CHECK(n.leader.lost(1, {{3, 103, 1}, 1, "silent"}).orders.empty());
}

TEST_CASE("of two nodes that lost each other the one without parameters begins anew") {
  four_nodes n(3);
  n.all_up_and_playing();
  const auto what = n.leader.lost(1, {n.known.admitted(3), 1, "silent"});
  CHECK(what.sent_away == std::vector<std::uint32_t>{1});
  CHECK(deaths(what) == std::vector<std::string>{shard(1).text() + " 1"});
}

TEST_CASE("a life of a node that is not the last one ends without a word") {
  four_nodes n;
  n.all_up_and_playing();
  (void)n.up(2, 202);
  CHECK(n.leader.down({2, 102}, "late").deaths.empty());
  CHECK(n.leader.missing().empty());
}

TEST_CASE("a number beyond the nodes of the job is nobody's") {
  four_nodes n;
  CHECK(orders(n.up(4, 104)).empty());
  CHECK(orders(n.up(0, 7)).empty());
}

} // namespace
