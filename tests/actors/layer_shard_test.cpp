#include "actors/layer_shard.hpp"

#include "ops/block_codec.hpp"
#include "ops/program.hpp"
#include "support/fake_context.hpp"

#include <doctest/doctest.h>

#include <algorithm>

using namespace troupe;

namespace {

const address me{.role = role_kind::layer_shard, .replica = 1};
const address director{.role = role_kind::director};
const address loader{.role = role_kind::data_loader, .replica = 1};
const address aggregator{.role = role_kind::gradient_aggregator};
const address holder{.role = role_kind::parameter_holder};
const address keeper{.role = role_kind::residual_keeper, .replica = 1};

const std::vector<schedule_op> one_by_one = {{op_kind::forward, 0, 0},
                                             {op_kind::backward, 0, 0},
                                             {op_kind::forward, 0, 1},
                                             {op_kind::backward, 0, 1}};
const std::vector<schedule_op> both_forward = {{op_kind::forward, 0, 0},
                                               {op_kind::forward, 0, 1},
                                               {op_kind::backward, 0, 0},
                                               {op_kind::backward, 0, 1}};

// The second of two replicas: microbatches 2 and 3 of 4, of a model with one dense layer.
struct fixture {
  explicit fixture(std::vector<schedule_op> order = one_by_one,
                   bool shares_are_dealt = false,
                   std::shared_ptr<const codec> compression = nullptr,
                   std::uint64_t steps_ahead = 0)
      : schedule(std::move(order)),
        dealt(shares_are_dealt),
        compressed(std::move(compression)),
        delay(steps_ahead) {
    REQUIRE(start.size() == 1);
  }

  std::vector<schedule_op> schedule;
  bool dealt = false;
  std::shared_ptr<const codec> compressed;
  std::uint64_t delay = 0;
  graph network = build_graph(sequential(flatten{}, dense{3}), shape{1, 2, 2});
  std::shared_ptr<pool<shard_kernels>> kernels =
      std::make_shared<pool<shard_kernels>>([g = network] {
        std::vector<shard_kernels::part> parts(1);
        for (int i = 0; i < 2; ++i)
          parts[0].in_flight.push_back(compile_cpu(g, {.microbatch = 2}));
        return std::make_unique<shard_kernels>(std::move(parts));
      });
  parameter_layout layout = kernels->take()->parts()[0].in_flight[0]->layout();
  std::vector<tensor> start = initial_parameters(layout, 1);
  test::fake_context world{me};
  layer_shard shard{world,
                    std::make_shared<const layer_shard_plan>(layer_shard_options{
                        .microbatches = 4,
                        .criterion = std::make_shared<const loss>(softmax_cross_entropy{}),
                        .schedule = schedule,
                        .own_blocks = {true},
                        .aggregators = {aggregator},
                        .holders = {holder},
                        .director = director,
                        .kernels = kernels,
                        .delay = delay,
                        .steps_per_epoch = 10,
                        .codecs = codecs(),
                        .dealt = dealt}),
                    {.own = {2, 2},
                     .spans = tree_cover_below_root(4, {2, 2}),
                     .loader = loader,
                     .keeper = keeper}};

  std::vector<std::shared_ptr<const block_codec>> codecs() const {
    if (!compressed) return {};
    return {std::make_shared<const block_codec>(compressed, layout, 0)};
  }

  protocol::parameters version(std::uint64_t v) const { return {v, v, 0, start[0]}; }

  static protocol::batch batch(std::uint64_t step, std::uint32_t microbatch) {
    const float inputs[] = {1, 2, 3, 4, 5, 6, 7, 8}, labels[] = {0, 2};
    return {step, microbatch, {make_tensor({2, 1, 2, 2}, inputs), make_tensor({2}, labels), 8.0}};
  }

  void finish() {
    while (!world.computations.empty())
      for (const auto& m : world.run_one())
        shard.receive(m);
  }

  // What it has told of its use, as (bound, used).
  std::vector<std::pair<std::uint64_t, std::uint64_t>> used(credit_kind kind) const {
    std::vector<std::pair<std::uint64_t, std::uint64_t>> out;
    for (const auto& m : world.of<protocol::credit_used>())
      if (m.kind == kind) out.emplace_back(m.bound, m.used);
    return out;
  }

  std::vector<std::uint32_t> asked(std::uint64_t step) const {
    std::vector<std::uint32_t> out;
    for (const auto& m : world.of<protocol::want_batch>())
      if (m.step == step) out.push_back(m.microbatch);
    return out;
  }

  // Ready to compute step 0.
  void begin() {
    shard.on(version(0));
    shard.on(protocol::begin_step{0});
  }
};

using microbatches = std::vector<std::uint32_t>;
using uses = std::vector<std::pair<std::uint64_t, std::uint64_t>>;

} // namespace

TEST_CASE("a shard asks for parameters when it starts, and for batches when it has them") {
  fixture f;
  f.shard.started();
  REQUIRE(f.world.sent.size() == 1);
  CHECK(f.world.sent[0].to == holder);
  CHECK(std::holds_alternative<protocol::want_parameters>(f.world.sent[0].content));
  f.shard.on(protocol::begin_step{6, 5});
  f.shard.on(f.version(5));
  CHECK(f.asked(5) == microbatches{2, 3});
}

TEST_CASE("a shard computes when step, parameters and batch are there, in whatever order") {
  int order[] = {0, 1, 2};
  do {
    fixture f;
    for (const int what : order) {
      CHECK(f.world.computations.empty());
      if (what == 0) f.shard.on(f.version(0));
      if (what == 1) f.shard.on(protocol::begin_step{0});
      if (what == 2) f.shard.on(fixture::batch(0, 2));
    }
    CHECK(f.world.computations.size() == 1);
    CHECK(f.asked(1) == microbatches{2, 3}); // the next step's, while the kernels run
  } while (std::next_permutation(std::begin(order), std::end(order)));
}

TEST_CASE("a shard sums its own subtree, and reports each microbatch before its gradient") {
  fixture f;
  f.begin();
  f.shard.on(fixture::batch(0, 2));
  f.finish();
  CHECK(f.world.of<protocol::gradient>().empty()); // half of the subtree
  f.shard.on(fixture::batch(0, 3));
  f.finish();
  const auto gradients = f.world.of<protocol::gradient>();
  REQUIRE(gradients.size() == 1);
  CHECK(gradients[0].span == tree_span{2, 2});
  CHECK(f.world.of<protocol::microbatch_report>().size() == 2);
  const auto& last = f.world.sent.back();
  CHECK(last.to == aggregator);
  CHECK(std::holds_alternative<protocol::gradient>(last.content));
}

TEST_CASE("a batch that comes twice is computed once") {
  fixture f;
  f.begin();
  for (int twice = 0; twice < 2; ++twice)
    f.shard.on(fixture::batch(0, 2));
  CHECK(f.world.computations.size() == 1);
  f.finish();
  f.shard.on(fixture::batch(0, 2));
  f.finish();
  CHECK(f.world.of<protocol::microbatch_report>().size() == 1);
}

TEST_CASE("a new aggregator is sent again what it may have lost, until the step is committed") {
  fixture f;
  f.begin();
  f.shard.on(fixture::batch(0, 2));
  f.shard.on(fixture::batch(0, 3));
  f.finish();
  const auto first = f.world.of<protocol::gradient>();
  f.world.sent.clear();
  f.shard.on(protocol::restarted{aggregator, 2});
  const auto again = f.world.of<protocol::gradient>();
  REQUIRE(again.size() == 1);
  CHECK(again[0].span == first[0].span);
  CHECK(again[0].value.data() == first[0].value.data());

  f.shard.on(f.version(1));
  f.world.sent.clear();
  f.shard.on(protocol::restarted{aggregator, 3});
  CHECK(f.world.of<protocol::gradient>().empty());
}

TEST_CASE("a new loader is asked again for what is missing, and for nothing else") {
  fixture f;
  f.begin();
  f.shard.on(fixture::batch(0, 2)); // is being computed; 3 is missing, and all of step 1
  f.world.sent.clear();
  f.shard.on(protocol::restarted{loader, 2});
  CHECK(f.asked(0) == microbatches{3});
  CHECK(f.asked(1) == microbatches{2, 3});
  f.world.sent.clear();
  f.shard.on(protocol::restarted{{.role = role_kind::data_loader}, 2}); // of another replica
  CHECK(f.world.sent.empty());
}

TEST_CASE("parameters that are not newer change nothing") {
  fixture f;
  f.begin();
  f.shard.on(fixture::batch(0, 2));
  f.finish();
  f.shard.on(f.version(0));
  f.shard.on(fixture::batch(0, 2));
  CHECK(f.world.computations.empty());
}

TEST_CASE("a shard that was overtaken by a commit goes on with the new step") {
  fixture f;
  f.begin();
  f.shard.on(fixture::batch(0, 2));
  f.shard.on(protocol::begin_step{1, 1});
  f.shard.on(f.version(1)); // its predecessor's gradients completed step 0
  f.shard.on(fixture::batch(1, 2));
  f.shard.on(fixture::batch(1, 3));
  f.finish();
  const auto gradients = f.world.of<protocol::gradient>();
  REQUIRE(!gradients.empty());
  CHECK(gradients.back().step == 1);
  CHECK(f.world.of<protocol::microbatch_report>().size() == 3); // both of step 1
  CHECK(gradients.back().span == tree_span{2, 2});
}

TEST_CASE("a shard that was overtaken by a commit does not go forward again where it was ahead") {
  fixture f(one_by_one, false, make_codec("1-bit"), 1);
  f.shard.on(f.version(0));
  f.shard.on(protocol::begin_step{1});
  for (const std::uint64_t step : {0, 1})
    for (const std::uint32_t microbatch : {2, 3})
      f.shard.on(fixture::batch(step, microbatch));
  f.finish(); // backward waits for residuals
  CHECK(f.world.of<protocol::microbatch_report>().size() == 4);
  f.shard.on(protocol::begin_step{1, 1}); // its predecessor's gradients completed step 0
  f.finish();
  CHECK(f.world.of<protocol::microbatch_report>().size() == 4);
}

TEST_CASE("a shard asks for the residuals of a step that it has not computed the one before of") {
  fixture f(one_by_one, false, make_codec("1-bit"));
  const auto asked = [&] {
    std::vector<std::uint64_t> out;
    for (const auto& m : f.world.of<protocol::want_residuals>())
      out.push_back(m.step);
    return out;
  };
  const auto residual = [&](std::uint64_t step) {
    const std::vector<float> zeros(static_cast<std::size_t>(f.codecs()[0]->residual_elements()));
    f.shard.on(protocol::residual{step, 0, 2, make_tensor({std::ssize(zeros)}, zeros)});
  };
  f.begin();
  CHECK(asked() == std::vector<std::uint64_t>{0});
  f.shard.on(protocol::begin_step{1, 1}); // its predecessor's gradients completed step 0
  CHECK(asked() == std::vector<std::uint64_t>{0, 1});
  f.shard.on(f.version(1));
  residual(0); // late
  f.shard.on(fixture::batch(1, 2));
  f.shard.on(fixture::batch(1, 3));
  f.finish();
  CHECK(f.world.of<protocol::gradient>().empty());
  residual(1);
  f.finish();
  CHECK(f.world.of<protocol::gradient>().size() == 1);
  f.shard.on(protocol::begin_step{2, 2});
  CHECK(asked().size() == 2); // it has left out those itself
}

TEST_CASE("a shard asks for batches of as many steps ahead as its credit says") {
  fixture f;
  f.shard.on(protocol::set_credit{.prefetch = 3, .revision = 1});
  f.begin();
  CHECK(f.asked(1).empty());
  f.shard.on(fixture::batch(0, 2));
  for (const std::uint64_t step : {0, 1, 2, 3})
    CHECK(f.asked(step) == microbatches{2, 3});
  CHECK(f.asked(4).empty());

  fixture none;
  none.shard.on(protocol::set_credit{.prefetch = 0, .revision = 1});
  none.begin();
  none.shard.on(fixture::batch(0, 2));
  none.shard.on(fixture::batch(0, 3));
  none.finish();
  CHECK(none.asked(0) == microbatches{2, 3});
  CHECK(none.asked(1).empty());
  none.shard.on(none.version(1));
  none.shard.on(protocol::begin_step{1, 1});
  CHECK(none.asked(1) == microbatches{2, 3});
}

TEST_CASE("a shard tells how many steps of batches were here unread, under which credit") {
  fixture f;
  f.shard.on(protocol::set_credit{.prefetch = 3, .revision = 1});
  f.begin();
  f.shard.on(fixture::batch(0, 2));
  f.shard.on(fixture::batch(1, 2));
  f.shard.on(fixture::batch(1, 3));
  f.shard.on(fixture::batch(2, 2));
  CHECK(f.used(credit_kind::prefetch) == uses{{3, 0}, {3, 1}, {3, 2}});
  f.shard.on(protocol::set_credit{.prefetch = 1, .revision = 2}); // it was asked for before
  f.shard.on(fixture::batch(3, 2));
  CHECK(f.used(credit_kind::prefetch).back() == std::pair<std::uint64_t, std::uint64_t>{3, 3});
  f.shard.on(fixture::batch(0, 3));
  f.finish();
  f.shard.on(f.version(1));
  f.shard.on(protocol::begin_step{1, 1});
  f.finish();
  CHECK(f.asked(4).empty()); // three steps are under way; the credit is one
}

TEST_CASE("a shard goes backward before it goes forward again where its credit is used up") {
  const auto first_two = [](fixture& f) {
    f.begin();
    f.shard.on(fixture::batch(0, 2));
    f.shard.on(fixture::batch(0, 3));
    for (int i = 0; i < 2; ++i)
      for (const auto& m : f.world.run_one())
        f.shard.receive(m);
    return f.world.of<protocol::microbatch_report>().size(); // one for each forward
  };
  fixture listed(both_forward);
  CHECK(first_two(listed) == 2);
  CHECK(listed.used(credit_kind::depth) == uses{{2, 1}, {2, 2}});

  fixture f(both_forward);
  f.shard.on(protocol::set_credit{.prefetch = 1, .depth = 1, .revision = 1});
  CHECK(first_two(f) == 1);
  f.finish();
  CHECK(f.world.of<protocol::microbatch_report>().size() == 2);
  CHECK(f.used(credit_kind::depth) == uses{{1, 1}});
  REQUIRE(f.world.of<protocol::gradient>().size() == 1);
  listed.finish();
  const auto a = f.world.of<protocol::gradient>()[0].value;
  const auto b = listed.world.of<protocol::gradient>()[0].value;
  CHECK(std::equal(a.values().begin(), a.values().end(), b.values().begin()));
}

TEST_CASE("a credit that is lowered and raised within a step loses no operation of it") {
  for (int change = 0; change < 4; ++change)
    for (int back = change; back < 4; ++back) {
      CAPTURE(change);
      CAPTURE(back);
      fixture f(both_forward);
      f.begin();
      f.shard.on(fixture::batch(0, 2));
      f.shard.on(fixture::batch(0, 3));
      for (int i = 0; !f.world.computations.empty(); ++i) {
        if (i == change) f.shard.on(protocol::set_credit{.prefetch = 1, .depth = 1, .revision = 1});
        if (i == back) f.shard.on(protocol::set_credit{.prefetch = 1, .depth = 0, .revision = 2});
        for (const auto& m : f.world.run_one())
          f.shard.receive(m);
      }
      CHECK(f.world.of<protocol::microbatch_report>().size() == 2);
      CHECK(f.world.of<protocol::gradient>().size() == 1);
      for (const auto& [bound, used] : f.used(credit_kind::depth))
        CHECK(used <= bound);
    }
}

TEST_CASE("a new incarnation acts on no permission before it has heard its credit") {
  fixture f;
  f.shard.on(f.version(0));
  f.shard.on(protocol::begin_step{0, 0, 2});
  f.shard.on(protocol::set_credit{.prefetch = 0, .revision = 1});
  CHECK(f.world.of<protocol::want_batch>().empty());
  f.shard.on(protocol::begin_step{0, 0, 2});
  CHECK(f.world.of<protocol::want_batch>().empty());
  f.shard.on(protocol::set_credit{.prefetch = 2, .revision = 2});
  f.shard.on(protocol::set_credit{.prefetch = 0, .revision = 1}); // older
  f.shard.on(protocol::begin_step{0, 0, 2});
  f.shard.on(fixture::batch(0, 2));
  CHECK(f.asked(2) == microbatches{2, 3});
}

TEST_CASE("a shard whose shares are dealt waits for its share, and computes that run") {
  fixture f(one_by_one, true);
  f.shard.on(f.version(0));
  f.shard.on(protocol::begin_step{1, 0, 0, {0, 2}}); // of another step
  CHECK(f.asked(0).empty());
  f.shard.on(protocol::begin_step{0, 0, 0, {3, 1}});
  CHECK(f.asked(0) == microbatches{3});
  f.shard.on(fixture::batch(0, 3));
  CHECK(f.asked(1) == microbatches{0, 1}); // known, so it is read while the kernels run
  for (const auto& m : f.world.run_one()) {
    if (std::holds_alternative<protocol::operations_begun>(m))
      f.world.clock = std::chrono::seconds(1);
    if (std::holds_alternative<protocol::operations_done>(m))
      f.world.clock = std::chrono::seconds(4);
    f.shard.receive(m);
  }
  const auto gradients = f.world.of<protocol::gradient>();
  REQUIRE(gradients.size() == 1);
  CHECK(gradients[0].span == tree_span{3, 1});
  const auto times = f.world.of<protocol::share_computed>();
  REQUIRE(times.size() == 1);
  CHECK(times[0].microbatches == 1);
  CHECK(times[0].seconds == 3);
  CHECK_FALSE(times[0].overtaken);
}

TEST_CASE("a shard that does not know its next share asks for batches when it does") {
  fixture f(one_by_one, true);
  f.shard.on(f.version(0));
  f.shard.on(protocol::begin_step{0, 0, 0, {2, 1}});
  f.shard.on(fixture::batch(0, 2));
  CHECK(f.asked(1).empty());
  f.finish();
  f.shard.on(f.version(1));
  CHECK(f.asked(1).empty());
  f.shard.on(protocol::begin_step{1, 1, 0, {2, 2}});
  CHECK(f.asked(1) == microbatches{2, 3});
}

TEST_CASE("a shard whose kernels are overtaken leaves them and goes on") {
  fixture f(one_by_one, true);
  f.shard.on(f.version(0));
  f.shard.on(protocol::begin_step{0, 0, 0, {2, 2}});
  f.shard.on(protocol::begin_step{1, 0, 0, {2, 1}});
  f.shard.on(fixture::batch(0, 2));
  REQUIRE(f.world.computations.size() == 1);
  f.shard.on(protocol::operations_begun{0});
  f.world.clock = std::chrono::seconds(5);
  f.shard.on(f.version(1)); // a backup's gradients completed step 0
  CHECK(f.world.abandoned == 0);
  f.shard.on(protocol::begin_step{2, 1, 0, {2, 1}});
  CHECK(f.world.abandoned == 1);
  const auto times = f.world.of<protocol::share_computed>();
  REQUIRE(times.size() == 1);
  CHECK(times[0].step == 0);
  CHECK(times[0].microbatches == 1); // begun, of two
  CHECK(times[0].seconds == 5);
  CHECK(times[0].overtaken);
  f.shard.on(protocol::set_credit{.depth = 1, .revision = 1});
  f.shard.on(protocol::depth_used{0, 0, 2}); // of what it left, where that cannot be stopped
  CHECK(f.used(credit_kind::depth).empty());
  f.shard.on(fixture::batch(1, 2));
  CHECK(f.world.computations.size() == 2); // with other programs than those that may still run
  f.finish();
  const auto gradients = f.world.of<protocol::gradient>();
  REQUIRE(!gradients.empty());
  CHECK(gradients.back().step == 1);
  CHECK(f.world.of<protocol::share_computed>().size() == 2);
}

TEST_CASE("a shard that has handed on all it had is not overtaken") {
  fixture f(one_by_one, true);
  f.shard.on(f.version(0));
  f.shard.on(protocol::begin_step{0, 0, 0, {2, 1}});
  f.shard.on(fixture::batch(0, 2));
  auto said = f.world.run_one();
  REQUIRE(std::holds_alternative<protocol::operations_done>(said.back()));
  said.pop_back();
  for (const auto& m : said)
    f.shard.receive(m);
  f.shard.on(protocol::begin_step{1, 1, 0, {2, 1}}); // its gradient was the last, and fast
  CHECK(f.world.abandoned == 0);
  CHECK(f.world.of<protocol::share_computed>().empty());
  f.shard.on(protocol::operations_done{0});
  REQUIRE(f.world.of<protocol::share_computed>().size() == 1);
  CHECK_FALSE(f.world.of<protocol::share_computed>()[0].overtaken);
}
