#include "actors/evaluator.hpp"

#include "ops/data/dataset.hpp"
#include "support/fake_context.hpp"

#include <doctest/doctest.h>

using namespace troupe;

namespace {

const address holder{.role = role_kind::parameter_holder};

struct fixture {
  data_split data = load_data("synthetic:512", 3);
  graph network = build_graph(sequential(flatten{}, dense{10}), data.train->image);
  std::shared_ptr<pool<program>> programs = std::make_shared<pool<program>>(
      [g = network] { return compile_cpu(g, {.microbatch = 20, .training = false}); });
  std::vector<tensor> start = initial_parameters(programs->take()->layout(), 1);
  test::fake_context world{{.role = role_kind::evaluator}};
  std::unique_ptr<evaluator> judge;

  explicit fixture(std::uint32_t part = 0, std::uint32_t parts = 1) {
    judge = std::make_unique<evaluator>(
        world,
        evaluator_options{.part = part,
                          .parts = parts,
                          .blocks = 1,
                          .holders = {holder},
                          .programs = programs,
                          .criterion = std::make_shared<const loss>(softmax_cross_entropy{}),
                          .test = data.test,
                          .pixels = pixel_transform_of(*data.train, {})});
  }

  protocol::evaluated evaluate(std::uint64_t round) {
    judge->on(protocol::evaluate{round, 3});
    judge->on(protocol::parameters{2, 2, 0, start[0]}); // the holder's version before: not wanted
    CHECK(world.computations.empty());
    judge->on(protocol::parameters{3, 3, 0, start[0]});
    for (const auto& m : world.run_one())
      judge->receive(m);
    return world.of<protocol::evaluated>().back();
  }
};

} // namespace

TEST_CASE("an evaluator counts every image of the test set once, with parameters of the version") {
  fixture f;
  const auto all = f.evaluate(1).test;
  CHECK(all.images == f.data.test->size());
  CHECK(all.losses.size() == static_cast<std::size_t>((all.images + 19) / 20));
  CHECK(all.correct > 0);
  CHECK(f.world.of<protocol::want_parameters>().size() == 1);
}

TEST_CASE("the parts of an evaluation are disjoint and sum to the whole, bit for bit") {
  fixture whole, even(0, 2), odd(1, 2);
  const auto all = whole.evaluate(1).test, a = even.evaluate(1).test, b = odd.evaluate(1).test;
  CHECK(a.images + b.images == all.images);
  CHECK(a.correct + b.correct == all.correct);
  for (std::size_t i = 0; i < all.losses.size(); ++i)
    CHECK(all.losses[i] == (i % 2 == 0 ? a : b).losses[i / 2]);
}

TEST_CASE("a loss that compares every output is evaluated against one for the label, else zero") {
  const fixture f;
  const auto program = f.programs->take();
  program->bind(f.start);
  const auto sums = evaluate_part(
      *program, mean_squared_error{}, *f.data.test, pixel_transform_of(*f.data.train, {}), 0, 1);
  const auto pixels = pixel_transform_of(*f.data.train, {});
  program->forward(read_plain(*f.data.test, pixels, 0, 20).inputs, {});
  const auto out = program->output();
  double expected = 0;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const double wanted = f.data.test->labels[i / 10] == i % 10 ? 1 : 0;
    expected += (out[i] - wanted) * (out[i] - wanted) / 10;
  }
  CHECK(sums.losses.front() == doctest::Approx(expected));
}

TEST_CASE("a round that is asked for twice is evaluated once") {
  fixture f;
  f.judge->on(protocol::evaluate{1, 3});
  f.judge->on(protocol::evaluate{1, 3});
  CHECK(f.world.of<protocol::want_parameters>().size() == 1);
}

TEST_CASE("what comes late of a round, or twice, does not end the next one") {
  fixture f;
  f.judge->on(protocol::evaluate{1, 3});
  for (int times = 0; times < 2; ++times)
    f.judge->on(protocol::parameters{3, 3, 0, f.start[0]});
  f.judge->receive(f.world.run_one().front());
  f.judge->on(protocol::evaluate{2, 4});
  f.judge->receive(f.world.run_one().front()); // of round 1, late
  f.judge->on(protocol::evaluate{1, 3});       // a late copy
  f.judge->on(protocol::parameters{4, 4, 0, f.start[0]});
  REQUIRE(f.world.computations.size() == 1);
  f.judge->receive(f.world.run_one().front());
  CHECK(f.world.of<protocol::evaluated>().back().round == 2);
}
