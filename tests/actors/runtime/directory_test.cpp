#include "actors/runtime/directory.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace {

using namespace troupe;

const address holder{.role = role_kind::parameter_holder};
const address shard{.role = role_kind::layer_shard, .replica = 1};
const address near{.role = role_kind::layer_shard};

constexpr net::node_life far{1, 11};

// Node 0 has a holder and a shard, node 1 a shard.
directory small_directory(std::uint32_t here) {
  directory out(here);
  out.add(holder, 0);
  out.add(near, 0);
  out.add(shard, 1);
  out.admit({0, 10, 1});
  return out;
}

addressed_message message_to(const address& to, std::uint64_t step, incarnation from_life = 1) {
  return {to, protocol::begin_step{step}, near, from_life, 0};
}

addressed_message
message_from(const address& from, incarnation life, incarnation to_life, std::uint64_t step = 0) {
  return {near, protocol::begin_step{step}, from, life, to_life};
}

directory::way way_of(const directory& d, const address& to) {
  auto m = message_to(to, 0);
  net::node_life where;
  return d.outgoing(m, where);
}

std::vector<std::uint64_t> steps(const std::vector<addressed_message>& all) {
  std::vector<std::uint64_t> out;
  for (const auto& m : all)
    out.push_back(std::get<protocol::begin_step>(m.content).step);
  return out;
}

TEST_CASE("what is sent to an actor whose node is not linked waits, in order") {
  auto d = small_directory(0);
  CHECK(way_of(d, shard) == directory::way::waits); // nobody plays it
  d.keep(message_to(shard, 1));
  d.admit({1, far.life, 1});
  d.place({shard, 1, 1});
  CHECK(way_of(d, shard) == directory::way::waits); // no link
  d.keep(message_to(shard, 2));
  CHECK(d.released(1).empty());
  d.linked(far);
  CHECK(way_of(d, shard) == directory::way::goes);
  CHECK(steps(d.released(1)) == std::vector<std::uint64_t>{1, 2});
  CHECK(d.released(1).empty());
}

TEST_CASE("a link to another life of a node than the one that was taken in carries nothing") {
  auto d = small_directory(0);
  d.admit({1, far.life, 1});
  d.place({shard, 1, 1});
  d.linked({1, 99});
  CHECK(way_of(d, shard) == directory::way::waits);
  CHECK_FALSE(d.unlinked({1, 99}));
  d.linked(far);
  CHECK(way_of(d, shard) == directory::way::goes);
}

TEST_CASE("what is sent to an actor whose link broke is lost until its successor is known") {
  auto d = small_directory(0);
  d.admit({1, far.life, 1});
  d.place({shard, 1, 1});
  d.linked(far);
  CHECK(d.unlinked(far));
  CHECK(way_of(d, shard) == directory::way::lost);
  d.linked(far); // it came back, and does not know what was lost
  CHECK(way_of(d, shard) == directory::way::lost);
  d.admit({1, far.life, 2});
  d.place({shard, 2, 1});
  CHECK(way_of(d, shard) == directory::way::goes);
}

TEST_CASE("what waits for an incarnation is forgotten where its successor is known first") {
  auto d = small_directory(0);
  d.admit({1, far.life, 1});
  d.place({shard, 1, 1});
  auto m = message_to(shard, 1);
  net::node_life where;
  REQUIRE(d.outgoing(m, where) == directory::way::waits);
  d.keep(std::move(m));
  d.place({shard, 2, 1});
  d.linked(far);
  CHECK(d.released(1).empty());
}

TEST_CASE("news of an older incarnation or term are ignored") {
  auto d = small_directory(0);
  d.place({shard, 3, 1});
  d.place({shard, 2, 1});
  CHECK(d.at(shard).life == 3);
  d.admit({1, 11, 4});
  d.admit({1, 12, 3});
  CHECK(d.admitted(1) == member{1, 11, 4});
}

TEST_CASE("a message that comes before its receiver waits for it") {
  auto d = small_directory(0);
  d.place({shard, 1, 1});
  CHECK(d.incoming(message_from(shard, 1, 1)) == directory::arrival::waits);
  d.keep_early(message_from(shard, 1, 1, 5));
  d.keep_early(message_from(shard, 1, 2, 6)); // for the one after it
  CHECK(d.hear_early(near).empty());
  d.place({near, 1, 0});
  CHECK(d.incoming(message_from(shard, 1, 1)) == directory::arrival::heard);
  CHECK(steps(d.hear_early(near)) == std::vector<std::uint64_t>{5});
  d.place({near, 2, 0});
  CHECK(steps(d.hear_early(near)) == std::vector<std::uint64_t>{6});
}

TEST_CASE("what an incarnation said is stale once its successor is known") {
  auto d = small_directory(0);
  d.place({near, 1, 0});
  d.place({shard, 2, 1});
  CHECK(d.incoming(message_from(shard, 1, 1)) == directory::arrival::stale);
  CHECK(d.incoming(message_from(shard, 2, 1)) == directory::arrival::heard);
  CHECK(d.incoming(message_from(shard, 3, 1)) ==
        directory::arrival::heard); // news of it come later
  CHECK(d.incoming(message_from(shard, 0, 1)) == directory::arrival::heard); // the run's owner
}

TEST_CASE("messages for strangers, or for actors of other nodes, are not heard") {
  auto d = small_directory(0);
  d.place({near, 1, 0});
  d.place({shard, 1, 1});
  auto elsewhere = message_from(shard, 1, 1);
  elsewhere.to = shard;
  CHECK(d.incoming(elsewhere) == directory::arrival::stale);
  auto stranger = message_from(address{.role = role_kind::layer_shard, .replica = 9}, 1, 1);
  CHECK(d.incoming(stranger) == directory::arrival::stale);
  d.place({address{.role = role_kind::layer_shard, .replica = 9}, 1, 1});
  CHECK_FALSE(d.knows({.role = role_kind::layer_shard, .replica = 9}));
}

TEST_CASE("a node speaks for its own actors, and its run's owner to the director alone") {
  auto d = small_directory(0);
  d.place({holder, 1, 0});
  d.place({shard, 1, 1});
  CHECK(d.may_say(1, message_from(shard, 1, 1)));
  CHECK_FALSE(d.may_say(2, message_from(shard, 1, 1)));
  CHECK_FALSE(d.may_say(1, message_from(holder, 1, 1)));
  CHECK_FALSE(d.may_say(1, message_from(address{.role = role_kind::evaluator}, 1, 1)));
  const address directing{.role = role_kind::director};
  CHECK(d.may_say(1, {directing, protocol::stop_job{}, directing, 0, 1}));
  CHECK_FALSE(d.may_say(1, {holder, protocol::stop_job{}, holder, 0, 1}));
  CHECK_FALSE(d.may_say(1, {directing, protocol::stop_job{}, holder, 0, 1}));
}

TEST_CASE("who moved is heard before it is known here where it is") {
  auto d = small_directory(0);
  d.place({near, 1, 0});
  d.place({shard, 1, 1});
  CHECK(d.may_say(2, message_from(shard, 2, 1)));
  auto early = message_from(near, 1, 2, 7); // to one that will be here
  early.to = shard;
  CHECK(d.incoming(early) == directory::arrival::waits);
  d.keep_early(early);
  d.place({shard, 2, 0});
  CHECK(d.is_here(shard));
  CHECK(steps(d.hear_early(shard)) == std::vector<std::uint64_t>{7});
  CHECK(d.incoming(early) == directory::arrival::heard);
  d.place({shard, 3, 2}); // and away again
  CHECK(d.incoming(early) == directory::arrival::stale);
  CHECK_FALSE(d.may_say(1, message_from(shard, 3, 1)));
}

TEST_CASE("a node that is taken in again knows who plays elsewhere, and that its own are no more") {
  auto d = small_directory(1);
  d.place({holder, 1, 0});
  d.place({near, 1, 0});
  d.place({shard, 1, 1});
  d.linked({0, 10});
  CHECK(d.unlinked({0, 10}));
  d.leave();
  d.linked({0, 10});
  CHECK(way_of(d, holder) == directory::way::lost);
  d.view({{0, 10, 1}, {1, 11, 2}}, {{holder, 1, 0}, {near, 2, 0}, {shard, 1, 1}});
  CHECK(way_of(d, holder) == directory::way::goes);
  addressed_message late{shard, protocol::begin_step{1}, near, 2, 1};
  CHECK(d.incoming(late) == directory::arrival::stale); // for the one before
  late.to_life = 2;
  CHECK(d.incoming(late) == directory::arrival::waits);
  d.place({shard, 2, 1});
  CHECK(d.incoming(late) == directory::arrival::heard);
}

TEST_CASE("another process that leads counts lives and terms from 1 again") {
  auto d = small_directory(1);
  d.place({holder, 5, 0});
  d.place({shard, 3, 1});
  d.admit({2, 12, 7});
  d.leave();
  d.view({{0, 20, 1}, {1, 11, 1}}, {});
  CHECK(d.admitted(2).term == 0);
  d.admit({2, 12, 1});
  CHECK(d.admitted(2).term == 1);
  d.place({shard, 1, 1});
  CHECK(d.at(shard).life == 1);
  CHECK(d.incoming({shard, protocol::begin_step{1}, holder, 1, 1}) == directory::arrival::heard);
}

} // namespace
