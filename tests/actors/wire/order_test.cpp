#include "actors/wire/order.hpp"

#include "actors/wire/message_codec.hpp"
#include "net/archive.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <cstddef>
#include <vector>

namespace {

using namespace troupe;

const address shard{.role = role_kind::layer_shard, .replica = 3, .stage = 1};

template <class Order>
Order crossed(const Order& o) {
  const auto p = encode(cluster_order(o));
  CHECK(is_order(p));
  return std::get<Order>(decode_order(p));
}

waiting_actor some_actor() {
  return {.who = shard,
          .life = 2,
          .node = 3,
          .state = actor_state::computing,
          .quiet = std::chrono::milliseconds(4),
          .remaining = std::chrono::milliseconds(5),
          .unheard = 6,
          .last = "gradient",
          .waits = {{.what = wait_kind::sum,
                     .from = shard,
                     .step = 7,
                     .block = 8,
                     .blocks = 9,
                     .island = 10,
                     .microbatch = 11,
                     .microbatches = 12,
                     .guessed = true,
                     .due = std::chrono::seconds(13)}}};
}

std::vector<cluster_order> some_orders() {
  return {order::view{{{1, 2, 3}}, {{shard, 4, 5}}, "step 0"},
          order::place{{{1, 2, 3}}, {{shard, 4, 5}}},
          order::leave{"why"},
          order::lost{{1, 2, 3}, 4, "silent"},
          order::kill{shard},
          order::over{5, 6, true, true, {.what = "what", .why = "why"}},
          order::ask{7},
          order::waits{8, {some_actor()}, true}};
}

TEST_CASE("orders between nodes cross as they were given") {
  const auto view = crossed(order::view{{{1, 2, 3}}, {{shard, 4, 5}}, "step 0"});
  CHECK(view.members == std::vector<member>{{1, 2, 3}});
  CHECK(view.placements == std::vector<placement>{{shard, 4, 5}});
  CHECK(view.start == "step 0");
  CHECK(crossed(order::place{{}, {{shard, 7, 8}}}).placements ==
        std::vector<placement>{{shard, 7, 8}});
  CHECK(crossed(order::leave{"why"}).reason == "why");
  const auto lost = crossed(order::lost{{1, 2, 3}, 4, "silent"});
  CHECK(lost.other == member{1, 2, 3});
  CHECK(lost.own_term == 4);
  CHECK(crossed(order::kill{shard}).who == shard);
  const auto over = crossed(order::over{5, 6, true, true, {.what = "what", .why = "why"}});
  CHECK(over.steps == 5);
  CHECK(over.digest == 6);
  CHECK(over.interrupted);
  CHECK(over.drained);
  CHECK(over.failure.why == "why");
  CHECK(crossed(order::ask{7}).number == 7);
  const auto waits = crossed(order::waits{8, {some_actor(), {.who = shard}}, true});
  CHECK(waits.number == 8);
  CHECK(waits.last);
  REQUIRE(waits.actors.size() == 2);
  const auto& a = waits.actors.front();
  CHECK(a.who == shard);
  CHECK(a.life == 2);
  CHECK(a.node == 3);
  CHECK(a.state == actor_state::computing);
  CHECK(a.quiet == some_actor().quiet);
  CHECK(a.remaining == some_actor().remaining);
  CHECK(a.unheard == 6);
  CHECK(a.last == "gradient");
  CHECK(a.waits == some_actor().waits);
  CHECK_FALSE(waits.actors.back().quiet.has_value());
}

TEST_CASE("an order that is cut, followed by more, of no kind, or with a tensor is refused") {
  for (const auto& o : some_orders()) {
    const auto whole = encode(o);
    for (std::size_t size = 0; size < whole.body.size(); ++size) {
      auto cut = whole;
      cut.body.resize(size);
      CHECK_THROWS_AS(decode_order(cut), net::malformed);
    }
    auto more = whole;
    more.body.push_back(std::byte{0});
    CHECK_THROWS_AS(decode_order(more), net::malformed);
    auto tensor = whole;
    tensor.payloads.emplace_back();
    CHECK_THROWS_AS(decode_order(tensor), net::malformed);
    auto strange = whole;
    strange.body[1] = std::byte{200};
    CHECK_THROWS_AS(decode_order(strange), net::malformed);
  }
}

TEST_CASE("orders and messages of actors are told apart") {
  CHECK_FALSE(is_order(encode({shard, protocol::begin_step{1}, shard, 1, 1})));
  CHECK_FALSE(is_order({}));
  CHECK_THROWS_AS(decode_message(encode(cluster_order(order::kill{shard}))), net::malformed);
  CHECK_THROWS_AS(decode_order(encode({shard, protocol::begin_step{1}, shard, 1, 1})),
                  net::malformed);
}

} // namespace
