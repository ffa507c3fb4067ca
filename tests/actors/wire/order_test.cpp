#include "actors/wire/order.hpp"

#include "actors/wire/message_codec.hpp"
#include "net/archive.hpp"

#include <doctest/doctest.h>

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

std::vector<cluster_order> some_orders() {
  return {order::view{{{1, 2, 3}}, {{shard, 4, 5}}, "step 0"},
          order::place{{{1, 2, 3}}, {{shard, 4, 5}}},
          order::leave{"why"},
          order::lost{{1, 2, 3}, 4, "silent"},
          order::kill{shard},
          order::over{5, 6, true, {.what = "what", .why = "why"}}};
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
  const auto over = crossed(order::over{5, 6, true, {.what = "what", .why = "why"}});
  CHECK(over.steps == 5);
  CHECK(over.digest == 6);
  CHECK(over.interrupted);
  CHECK(over.failure.why == "why");
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
