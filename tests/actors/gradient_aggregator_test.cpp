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
