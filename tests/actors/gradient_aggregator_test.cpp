#include "actors/gradient_aggregator.hpp"

#include "support/fake_context.hpp"

#include <doctest/doctest.h>

using namespace troupe;

namespace {

const address holder{.role = role_kind::parameter_holder};

protocol::gradient part(std::uint64_t step, std::uint32_t first, std::uint32_t count, float value) {
  const float values[] = {value, 2 * value};
  return {step, 0, {first, count}, make_tensor({2}, values)};
}

struct fixture {
  test::fake_context world{{.role = role_kind::gradient_aggregator}};
  gradient_aggregator aggregator{world, {.microbatches = 4, .holders = {holder}}};

  void hear(const protocol::gradient& g) {
    aggregator.on(g);
    while (!world.computations.empty())
      for (const auto& m : world.run_one())
        aggregator.receive(m);
  }
};

float total(const protocol::reduced_gradient& m, std::size_t i) {
  REQUIRE(m.addend);
  return m.value.values()[i] + m.addend.values()[i];
}

} // namespace

TEST_CASE("an aggregator sums a step once all microbatches are there") {
  fixture f;
  f.hear(part(0, 0, 2, 1));
  f.hear(part(0, 3, 1, 4));
  CHECK(f.world.of<protocol::reduced_gradient>().empty());
  f.hear(part(0, 2, 1, 3));
  const auto sums = f.world.of<protocol::reduced_gradient>();
  REQUIRE(sums.size() == 1);
  CHECK(total(sums[0], 0) == 8);
  CHECK(total(sums[0], 1) == 16);
}

TEST_CASE("an aggregator counts a contribution that comes twice once") {
  fixture f;
  for (int twice = 0; twice < 2; ++twice)
    f.hear(part(0, 0, 2, 1));
  for (int twice = 0; twice < 2; ++twice)
    f.hear(part(0, 2, 2, 3));
  const auto sums = f.world.of<protocol::reduced_gradient>();
  REQUIRE(sums.size() == 1);
  CHECK(total(sums[0], 0) == 4);
}

TEST_CASE("an aggregator drops what belongs to an older step") {
  fixture f;
  f.hear(part(7, 0, 2, 1));
  f.hear(part(6, 2, 2, 100));
  f.hear(part(7, 2, 2, 3));
  const auto sums = f.world.of<protocol::reduced_gradient>();
  REQUIRE(sums.size() == 1);
  CHECK(sums[0].step == 7);
  CHECK(total(sums[0], 0) == 4);
}

TEST_CASE("an aggregator that starts in the middle leaves an unfinished older step behind") {
  fixture f;
  f.hear(part(6, 0, 2, 100));
  f.hear(part(7, 0, 2, 1));
  f.hear(part(7, 2, 2, 3));
  const auto sums = f.world.of<protocol::reduced_gradient>();
  REQUIRE(sums.size() == 1);
  CHECK(total(sums[0], 0) == 4);
}

TEST_CASE("an aggregator leaves the last sum of the tree to the holder") {
  fixture f;
  f.hear(part(0, 3, 1, 4));
  f.hear(part(0, 0, 2, 1));
  f.hear(part(0, 2, 1, 3));
  const auto sums = f.world.of<protocol::reduced_gradient>();
  REQUIRE(sums.size() == 1);
  CHECK(sums[0].value.values()[0] == 1);
  CHECK(sums[0].addend.values()[0] == 7);
}

TEST_CASE("one microbatch needs no sum") {
  test::fake_context world({.role = role_kind::gradient_aggregator});
  gradient_aggregator aggregator(world, {.microbatches = 1, .holders = {holder}});
  aggregator.on(part(0, 0, 1, 5));
  for (const auto& m : world.run_one())
    aggregator.receive(m);
  const auto sums = world.of<protocol::reduced_gradient>();
  REQUIRE(sums.size() == 1);
  CHECK(sums[0].value.values()[1] == 10);
  CHECK(!sums[0].addend);
}

namespace {

const address root{.role = role_kind::gradient_aggregator};

// Group 1 of a batch of 6 has microbatches 0 to 4: all of 0..3, and 4.
struct group_fixture {
  test::fake_context world{{.role = role_kind::gradient_aggregator, .stage = 1}};
  gradient_aggregator aggregator;

  explicit group_fixture(std::uint64_t steps_in_flight = 1)
      : aggregator(world,
                   {.microbatches = 6,
                    .holders = {holder},
                    .steps_in_flight = steps_in_flight,
                    .group_sums = {{0, 4}, {4, 1}},
                    .roots = {root}}) {}

  void hear(const protocol::gradient& g) {
    aggregator.on(g);
    while (!world.computations.empty())
      for (const auto& m : world.run_one())
        aggregator.receive(m);
  }

  std::vector<protocol::gradient> sent() {
    for (const auto& m : world.sent)
      CHECK(m.to == root);
    return world.of<protocol::gradient>();
  }
};

} // namespace

TEST_CASE("a group's aggregator sends each of its sums to the root, once it is complete") {
  group_fixture f;
  f.hear(part(3, 0, 2, 1));
  CHECK(f.sent().empty());
  f.hear(part(3, 4, 1, 5));
  REQUIRE(f.sent().size() == 1);
  CHECK(f.sent()[0].span == tree_span{4, 1});
  f.hear(part(3, 3, 1, 4));
  f.hear(part(3, 2, 1, 3));
  REQUIRE(f.sent().size() == 2);
  CHECK(f.sent()[1].step == 3);
  CHECK(f.sent()[1].span == tree_span{0, 4});
  CHECK(f.sent()[1].value.values()[1] == 16);
  CHECK(f.world.of<protocol::reduced_gradient>().empty());
}

TEST_CASE("a group's aggregator counts a contribution that comes twice once, and sends no sum so") {
  group_fixture f;
  for (int twice = 0; twice < 2; ++twice)
    for (const std::uint32_t first : {0U, 2U})
      f.hear(part(0, first, 2, 1));
  f.hear(part(0, 0, 2, 1));
  REQUIRE(f.sent().size() == 1);
  CHECK(f.sent()[0].value.values()[0] == 2);
}

TEST_CASE("a root that was restarted gets again what the group sent, until a newer step begins") {
  group_fixture f;
  f.hear(part(0, 0, 4, 1));
  f.aggregator.on(protocol::restarted{{.role = role_kind::gradient_aggregator, .replica = 1}, 2});
  CHECK(f.sent().size() == 1); // another block's
  f.aggregator.on(protocol::restarted{root, 2});
  REQUIRE(f.sent().size() == 2);
  CHECK(f.sent()[1].span == tree_span{0, 4});
  CHECK(f.sent()[1].value.values()[0] == 1);
  f.hear(part(0, 4, 1, 5)); // what was missing comes when it is there
  CHECK(f.sent().size() == 3);
  f.hear(part(1, 4, 1, 6));
  f.aggregator.on(protocol::restarted{root, 3});
  REQUIRE(f.sent().size() == 5);
  CHECK(f.sent()[4].step == 1);
}

TEST_CASE("a group's aggregator keeps every step that may be in flight") {
  group_fixture f(2);
  f.hear(part(5, 0, 4, 1));
  f.hear(part(6, 0, 4, 2));
  f.hear(part(4, 0, 4, 3)); // is applied
  CHECK(f.sent().size() == 2);
  f.aggregator.on(protocol::restarted{root, 2});
  REQUIRE(f.sent().size() == 4);
  CHECK(f.sent()[2].step == 5);
  CHECK(f.sent()[3].step == 6);
}

TEST_CASE("sums of groups make the bits that the root makes alone") {
  group_fixture group;
  test::fake_context world(root);
  gradient_aggregator alone(world, {.microbatches = 6, .holders = {holder}});
  gradient_aggregator above(world, {.microbatches = 6, .holders = {holder}});
  const auto tell = [&](gradient_aggregator& to, const protocol::gradient& g) {
    to.on(g);
    while (!world.computations.empty())
      for (const auto& m : world.run_one())
        to.receive(m);
  };
  const float values[] = {1e8F, 1, -1e8F, 3, 0.1F, 7e-9F};
  for (std::uint32_t i : {5U, 1U, 0U, 3U, 2U, 4U}) {
    tell(alone, part(0, i, 1, values[i]));
    if (i < 5) group.hear(part(0, i, 1, values[i]));
  }
  for (const auto& g : group.sent())
    tell(above, g);
  tell(above, part(0, 5, 1, values[5]));
  const auto sums = world.of<protocol::reduced_gradient>();
  REQUIRE(sums.size() == 2);
  for (std::size_t i = 0; i < 2; ++i)
    CHECK(total(sums[0], i) == total(sums[1], i));
}

TEST_CASE("a root sends nothing again: its holder cannot be restarted") {
  fixture f;
  f.hear(part(0, 0, 2, 1));
  f.hear(part(0, 2, 2, 3));
  f.aggregator.on(protocol::restarted{root, 2});
  CHECK(f.world.sent.size() == 1);
}
