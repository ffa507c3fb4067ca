#include "actors/runtime/figures_board.hpp"

#include <doctest/doctest.h>

#include <string>

namespace {

using namespace troupe;
using namespace std::chrono_literals;

order::traffic said(std::uint32_t ordinal, link_figures link) {
  link.stands = true;
  return {{{ordinal, link}}};
}

const net::node_life first{1, 11}, second{1, 12};

} // namespace

TEST_CASE("what links sent is added up over links and lives, and never falls") {
  figures_board board(2);
  board.note(first, said(1, {.to = 0, .bytes = 100, .messages = 10, .resent = 2}));
  board.note(first, said(1, {.to = 0, .bytes = 300, .messages = 20, .resent = 2}));
  CHECK(board.all(1s).links.at(0).bytes == 300);
  CHECK(board.all(1s).links.at(0).reconnections == 0);

  board.note(first, said(2, {.to = 0, .bytes = 5, .messages = 1, .reconnections = 1}));
  board.note(second, said(1, {.to = 0, .bytes = 1000, .messages = 2}));
  const auto link = board.all(1s).links.at(0);
  CHECK(link.from == 1);
  CHECK(link.to == 0);
  CHECK(link.bytes == 1305);
  CHECK(link.messages == 23);
  CHECK(link.resent == 2);
  CHECK(link.reconnections == 3); // one of the second link, and two links after the first
}

TEST_CASE("a link of a node that is missing does not stand, both ways, until it is told again") {
  figures_board board(3);
  board.note({0, 10}, said(1, {.to = 1, .bytes = 7, .waiting_bytes = 5, .credit_bytes = 9}));
  board.note(first, said(1, {.to = 0}));
  board.note({2, 20}, said(1, {.to = 0}));
  board.note(1, false, 1, 3s);
  const auto links = board.all(3s).links;
  REQUIRE(links.size() == 3);
  CHECK_FALSE(links[0].stands);
  CHECK(links[0].waiting_bytes == 0);
  CHECK(links[0].credit_bytes == 0);
  CHECK(links[0].bytes == 7);
  CHECK_FALSE(links[1].stands);
  CHECK(links[2].stands);
  board.note({0, 10}, said(2, {.to = 1}));
  CHECK(board.all(4s).links[0].stands);
}

TEST_CASE("a link that its node does not tell of any more does not stand") {
  figures_board board(3);
  board.note(first, said(1, {.to = 2, .bytes = 7}));
  board.note(first, {});
  CHECK_FALSE(board.all(1s).links.at(0).stands);
  CHECK(board.all(1s).links.at(0).bytes == 7);
}

TEST_CASE("a node is up or missing since that changed, also when it was lost and came in between") {
  figures_board board(2);
  board.plays(1);
  board.plays(1);
  board.came(1, 4711);
  board.note(1, true, 0, 1s);
  board.note(1, true, 0, 4s);
  const auto up = board.all(5s).nodes.at(1);
  CHECK(up.is_up);
  CHECK(up.since == 4s);
  CHECK(up.actors == 2);
  CHECK(up.process == 4711);
  board.note(1, true, 1, 6s); // gone and here again
  CHECK(board.all(7s).nodes.at(1).since == 1s);
  CHECK(board.all(7s).nodes.at(1).lost == 1);
  board.note(1, false, 2, 8s);
  CHECK_FALSE(board.all(10s).nodes.at(1).is_up);
  CHECK(board.all(10s).nodes.at(1).since == 2s);
}

TEST_CASE("figures of nodes that the job does not have are not kept") {
  figures_board board(2);
  board.note(first, said(1, {.to = 2}));
  board.note({7, 70}, said(1, {.to = 0}));
  CHECK(board.all(1s).links.empty());
}

TEST_CASE("figures of a link cross as they were told") {
  const link_figures link{.from = 3,
                          .to = 1,
                          .stands = true,
                          .bytes = 1,
                          .messages = 2,
                          .resent = 3,
                          .reconnections = 4,
                          .waiting_bytes = 5,
                          .in_flight_bytes = 6,
                          .credit_bytes = 7,
                          .round_trip_ns = 8};
  const auto came = std::get<order::traffic>(decode_order(encode(order::traffic{{{9, link}}})));
  REQUIRE(came.samples.size() == 1);
  CHECK(came.samples[0].ordinal == 9);
  const link_figures& l = came.samples[0].link;
  CHECK(l.from == 3);
  CHECK(l.to == 1);
  CHECK(l.stands);
  CHECK(l.bytes == 1);
  CHECK(l.messages == 2);
  CHECK(l.resent == 3);
  CHECK(l.reconnections == 4);
  CHECK(l.waiting_bytes == 5);
  CHECK(l.in_flight_bytes == 6);
  CHECK(l.credit_bytes == 7);
  CHECK(l.round_trip_ns == 8);
}
