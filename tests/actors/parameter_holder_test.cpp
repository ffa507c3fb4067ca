#include "actors/parameter_holder.hpp"

#include "ops/files/atomic_file.hpp"
#include "ops/files/checkpoint.hpp"
#include "support/fake_context.hpp"
#include "support/same_bits.hpp"
#include "support/scratch_folder.hpp"
#include "support/small_layout.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>

using namespace troupe;
using namespace troupe::test;

namespace {

const address me{.role = role_kind::parameter_holder};
const address director{.role = role_kind::director};
const address shards[] = {{.role = role_kind::layer_shard},
                          {.role = role_kind::layer_shard, .replica = 1}};

parameter_holder_options options_of(std::shared_ptr<const parameter_layout> layout,
                                    const std::vector<tensor>& start) {
  parameter_holder_options out{.layout = layout,
                               .rule = sgd{.momentum = 0.9F},
                               .rate = {.base = 0.5F},
                               .total_steps = 10,
                               .microbatches = 2,
                               .readers = {{shards[0], shards[1]}, {shards[0], shards[1]}},
                               .director = director};
  for (std::size_t b = 0; b < start.size(); ++b)
    out.blocks.push_back({.block = static_cast<int>(b), .parameters = start[b]});
  return out;
}

struct fixture {
  std::shared_ptr<const parameter_layout> layout =
      std::make_shared<const parameter_layout>(test::small_layout());
  std::vector<tensor> start = test::random_blocks(*layout, 1, false);
  std::vector<tensor> gradients = test::random_blocks(*layout, 2, false);
  test::fake_context world{me};
  parameter_holder holder{world, options_of(layout, start)};

  void finish() {
    while (!world.computations.empty())
      for (const auto& m : world.run_one())
        holder.receive(m);
  }

  void hear(const protocol::reduced_gradient& m) {
    holder.on(m);
    finish();
  }

  protocol::reduced_gradient gradient(std::uint64_t step, int block) const {
    return {step, block, gradients[static_cast<std::size_t>(block)], {}};
  }

  // What a reader has been sent last of a block.
  tensor newest(int block) const {
    tensor out;
    for (const auto& m : world.of<protocol::parameters>())
      if (m.block == block) out = m.value;
    return out;
  }
};

} // namespace

TEST_CASE("a holder applies a step's gradient once, however often it comes") {
  fixture f;
  f.holder.on(f.gradient(0, 1));
  f.holder.on(f.gradient(0, 1)); // while it is being applied
  f.finish();
  f.hear(f.gradient(0, 1)); // after
  const auto committed = f.world.of<protocol::committed>();
  REQUIRE(committed.size() == 1);
  CHECK(committed[0].step == 0);
  CHECK(committed[0].block == 1);
  CHECK(committed[0].digest == block_digest(*f.layout, 1, f.newest(1)));
  CHECK(f.world.of<protocol::parameters>().size() == 2); // one for each reader
  const float expected = f.start[1].values()[0] - 0.5F * f.gradients[1].values()[0];
  CHECK(f.newest(1).values()[0] == expected);
}

TEST_CASE("a holder adds the two halves of a gradient as the sum of the tree would") {
  fixture whole, halves;
  const auto other = test::random_blocks(*whole.layout, 3, false);
  for (int block = 0; block < 2; ++block) {
    const auto b = static_cast<std::size_t>(block);
    whole.hear({0, block, sum(whole.gradients[b], other[b]), {}});
    halves.hear({0, block, whole.gradients[b], other[b]});
    CHECK(same_bits(whole.newest(block), halves.newest(block)));
    CHECK(!same_bits(whole.newest(block), whole.start[b]));
  }
}

TEST_CASE(
    "zeros that learn from zeros stay the same tensor, with the digest of a computed update") {
  const auto layout = std::make_shared<const parameter_layout>(test::small_layout());
  const auto digest_after = [&](bool known) {
    std::vector<tensor> start;
    for (const auto& b : layout->blocks) {
      const std::vector<float> values(static_cast<std::size_t>(b.size), 0.0F);
      start.push_back(known ? zeros({b.size}) : make_tensor({b.size}, values));
    }
    test::fake_context world{me};
    parameter_holder holder(world, options_of(layout, start));
    for (std::uint64_t step = 0; step < 2; ++step) {
      holder.on(
          protocol::reduced_gradient{step, 0, zeros(start[0].dims()), zeros(start[0].dims())});
      while (!world.computations.empty())
        for (const auto& m : world.run_one())
          holder.receive(m);
    }
    CHECK((world.of<protocol::parameters>().back().value.data() == start[0].data()) == known);
    return world.of<protocol::committed>().back().digest;
  };
  CHECK(digest_after(true) == digest_after(false));
}

TEST_CASE("zeros that have learnt something are computed from then on") {
  fixture f;
  const auto zero = zeros(f.start[0].dims());
  auto options = options_of(f.layout, {zero, f.start[1]});
  test::fake_context world{me};
  parameter_holder holder(world, options);
  const tensor sent[] = {zero, f.gradients[0], zero};
  for (std::uint64_t step = 0; step < 3; ++step) {
    holder.on(protocol::reduced_gradient{step, 0, sent[step], {}});
    while (!world.computations.empty())
      for (const auto& m : world.run_one())
        holder.receive(m);
  }
  std::vector<tensor> versions;
  for (const auto& m : world.of<protocol::parameters>())
    if (m.block == 0 && (versions.empty() || versions.back().data() != m.value.data()))
      versions.push_back(m.value);
  REQUIRE(versions.size() == 3); // momentum goes on
  CHECK(versions[0].is_zeros());
  CHECK(std::memcmp(versions[1].data(), versions[2].data(), versions[1].bytes()) != 0);
}

TEST_CASE("statistics follow the mean of what the microbatches measured, whatever the optimizer") {
  fixture f;
  f.hear(f.gradient(0, 0));
  const auto& spec = f.layout->specs[4];
  const auto& place = f.layout->places[4];
  REQUIRE(spec.name == "1.running_mean");
  const auto at = static_cast<std::size_t>(place.offset);
  for (std::size_t i = 0; i < 2; ++i) {
    const float expected = (1.0F - spec.momentum) * f.start[0].values()[at + i] +
                           spec.momentum * (f.gradients[0].values()[at + i] / 2.0F);
    CHECK(f.newest(0).values()[at + i] == expected);
  }
}

TEST_CASE("what a worker had read decides how its update is corrected") {
  fixture f;
  auto options = options_of(f.layout, f.start);
  options.rule = sgd{};
  options.order = {
      .kind = consistency_kind::asynchronous, .staleness_aware = true, .delay_compensation = 0.5F};
  options.workers = 3;
  parameter_holder holder(f.world, options);
  for (std::uint64_t worker = 0; worker < 3; ++worker) // all read version 0
    holder.on(protocol::pull_parameters{worker, shards[0], {}});
  float held = f.start[1].values()[0];
  for (std::uint64_t worker = 0; worker < 3; ++worker) {
    holder.on(f.gradient(worker, 1));
    while (!f.world.computations.empty())
      for (const auto& m : f.world.run_one())
        holder.receive(m);
    const auto done = f.world.of<protocol::committed>().back();
    CHECK(done.staleness == worker);
    CHECK(done.lead == 0);
    // Zheng et al., equation 10, and a rate divided by the staleness.
    const float g = f.gradients[1].values()[0];
    const float rate = 0.5F / static_cast<float>(worker < 2 ? 1 : worker);
    held -= rate * (g + 0.5F * g * g * (held - f.start[1].values()[0]));
    holder.on(protocol::pull_parameters{worker + 3, shards[0], {}});
    CHECK(f.newest(1).values()[0] == doctest::Approx(held));
  }
}

namespace {

// Two workers; the first has applied clocks 0 and 1, the other none.
struct bounded_fixture : fixture {
  static parameter_holder_options bounded(parameter_holder_options o, std::uint64_t bound) {
    o.order = {.kind = consistency_kind::bounded, .staleness = bound};
    o.workers = 2;
    std::erase_if(o.blocks, [](const held_block& b) { return b.block != 1; });
    return o;
  }

  explicit bounded_fixture(std::uint64_t bound)
      : strict(world, bounded(options_of(layout, start), bound)) {
    for (const std::uint64_t step : {0, 2}) {
      strict.on(protocol::pull_parameters{step, shards[0], {}});
      apply(step);
    }
    world.sent.clear();
  }

  void apply(std::uint64_t step) {
    strict.on(gradient(step, 1));
    while (!world.computations.empty())
      for (const auto& m : world.run_one())
        strict.receive(m);
  }

  // Whether the first worker's read of clock 2 is answered, two clocks before the other.
  bool reads() {
    world.sent.clear();
    strict.on(protocol::pull_parameters{4, shards[0], {}});
    return answered();
  }

  bool answered() const { return !world.of<protocol::parameters>().empty(); }

  parameter_holder strict;
};

} // namespace

TEST_CASE("no read is answered beyond the bound in force when it is answered") {
  for (std::uint64_t bound = 0; bound <= 4; ++bound) {
    CAPTURE(bound);
    bounded_fixture f(4);
    f.strict.on(protocol::set_credit{.staleness = bound, .revision = 1});
    CHECK(f.reads() == (bound >= 2));
    const auto told = f.world.of<protocol::credit_used>();
    for (const auto& use : told)
      CHECK(use.used <= use.bound);
    CHECK(std::any_of(told.begin(), told.end(), [&](const auto& use) {
            return use.bound == bound && use.used == 2;
          }) == (bound >= 2));
  }
}

TEST_CASE("who waits for a bound reads when it is raised, and what it read under is told") {
  bounded_fixture f(1);
  CHECK_FALSE(f.reads());
  f.strict.on(protocol::set_credit{.staleness = 2, .revision = 2});
  CHECK(f.answered());
  f.strict.on(protocol::set_credit{.staleness = 0, .revision = 1}); // older
  CHECK(f.reads());
  f.world.sent.clear();
  f.apply(4);
  const auto done = f.world.of<protocol::committed>();
  REQUIRE(done.size() == 1);
  CHECK(done[0].lead == 2);
  CHECK(done[0].lead_bound == 2);
}

TEST_CASE("a bound that a dial gives to an asynchronous job is kept") {
  bounded_fixture f(no_bound);
  f.strict.on(protocol::set_credit{.staleness = no_bound, .revision = 1});
  CHECK(f.reads());
  bounded_fixture g(no_bound);
  g.strict.on(protocol::set_credit{.staleness = 1, .revision = 2});
  CHECK_FALSE(g.reads());
}

TEST_CASE("who pulls for a step again gets the version that was read") {
  bounded_fixture f(no_bound);
  const auto read_version = [&] {
    CHECK(f.reads());
    return f.world.of<protocol::parameters>().back().version;
  };
  CHECK(read_version() == 2);
  f.strict.on(protocol::pull_parameters{1, shards[1], {}}); // of the other worker
  f.apply(1);
  CHECK(read_version() == 2);
  f.world.sent.clear();
  f.apply(4);
  CHECK(f.world.of<protocol::committed>().back().staleness == 1);
  CHECK(read_version() == 2); // a worker's other stages may still compute the step
  f.strict.on(protocol::pull_parameters{6, shards[0], {}});
  CHECK(f.world.of<protocol::parameters>().back().version == 4);
  CHECK(read_version() == 2); // also when this one had read the next step before it died
  f.world.sent.clear();
  f.apply(6);
  CHECK(f.world.of<protocol::committed>().back().staleness == 0);
  CHECK(read_version() == 5); // all stages have begun step 6: of no use to anybody
}

TEST_CASE("an old request that comes late displaces no newer one") {
  fixture f;
  auto options = options_of(f.layout, f.start);
  options.order = {.kind = consistency_kind::bounded, .staleness = 0};
  options.workers = 2;
  parameter_holder holder(f.world, options);
  holder.on(protocol::pull_parameters{0, shards[0], {}});
  for (const int block : {0, 1})
    holder.on(f.gradient(0, block));
  while (!f.world.computations.empty())
    for (const auto& m : f.world.run_one())
      holder.receive(m);
  holder.on(protocol::pull_parameters{2, shards[0], {}}); // waits for the other worker
  holder.on(protocol::pull_parameters{0, shards[0], {}});
  holder.on(protocol::pull_parameters{1, shards[1], {}});
  f.world.sent.clear();
  for (const int block : {0, 1})
    holder.on(f.gradient(1, block));
  while (!f.world.computations.empty())
    for (const auto& m : f.world.run_one())
      holder.receive(m);
  const auto answers = f.world.of<protocol::parameters>();
  CHECK(std::count_if(answers.begin(), answers.end(), [](const auto& m) { return m.step == 2; }) ==
        2);
}

TEST_CASE("a holder keeps the version before, for who must compute a step again") {
  fixture f;
  f.holder.on(protocol::want_parameters{shards[0]});
  CHECK(f.world.of<protocol::parameters>().size() == 2); // version 0 of both blocks
  f.hear(f.gradient(0, 0));
  f.world.sent.clear();
  f.holder.on(protocol::want_parameters{shards[1]});
  const auto sent = f.world.of<protocol::parameters>();
  REQUIRE(sent.size() == 3);
  CHECK(sent[0].version == 0);
  CHECK(same_bits(sent[0].value, f.start[0]));
  CHECK(sent[1].version == 1);
  CHECK(sent[2].version == 0); // block 1 has not moved
}

TEST_CASE("the parameters of a job that has ended are those of its last version alone") {
  fixture f;
  f.hear(f.gradient(0, 1));
  f.holder.on(protocol::want_state{4, director, 1});
  const auto state = f.world.of<protocol::state>();
  REQUIRE(state.size() == 1); // block 0 is not there yet
  CHECK(state[0].request == 4);
  CHECK(state[0].version == 1);
  CHECK(same_bits(state[0].parameters, f.newest(1)));
  f.hear(f.gradient(1, 1));
  f.holder.on(protocol::want_state{4, director, 1}); // late
  CHECK(f.world.of<protocol::state>().size() == 1);
}

TEST_CASE("a holder that starts from a checkpoint continues to the same bits") {
  fixture through;
  const test::scratch_folder folder;
  for (const int block : {0, 1})
    through.hear(through.gradient(0, block));
  through.holder.on(protocol::want_shard{1, director, 1, folder.path()});
  through.finish();
  const auto written = through.world.of<protocol::shard_written>();
  REQUIRE(written.size() == 1);
  checkpoint_manifest m{.step = 1, .slots = 1, .job = {}, .shards = {written[0].file}};
  write_file_atomically(folder.file("checkpoint.json"), manifest_text(m));
  const auto saved = read_checkpoint(folder.path(), *through.layout);
  through.hear(through.gradient(1, 1));

  auto options = options_of(through.layout, {});
  options.version = saved.step;
  options.blocks.push_back(
      {.block = 1, .parameters = saved.parameters[1], .slots = {saved.slots[0][1]}});
  test::fake_context world{me};
  parameter_holder holder(world, options);
  holder.on(through.gradient(0, 1)); // an old one
  CHECK(world.computations.empty());
  holder.on(through.gradient(1, 1));
  for (const auto& said : world.run_one())
    holder.receive(said);
  CHECK(same_bits(world.of<protocol::parameters>()[0].value, through.newest(1)));
}

TEST_CASE("a large block is updated by several computations, to the same bits") {
  auto layout = std::make_shared<parameter_layout>();
  constexpr std::int64_t size = 1'000'000;
  layout->specs.push_back({.name = "0.weight", .dims = shape{size}});
  layout->places.push_back({.block = 0, .offset = 0, .size = size});
  layout->blocks.push_back({.size = size, .trainable = size});
  const auto start = test::random_blocks(*layout, 1, false);
  const auto gradient = test::random_blocks(*layout, 2, false);
  std::vector<protocol::committed> committed;
  for (const int parts : {1, 3}) {
    auto options = options_of(layout, start);
    options.parts_max = parts;
    test::fake_context world{me};
    parameter_holder holder(world, options);
    holder.on(protocol::reduced_gradient{0, 0, gradient[0], {}});
    CHECK(world.computations.size() == static_cast<std::size_t>(parts));
    while (!world.computations.empty()) {
      CHECK(world.of<protocol::committed>().empty()); // not before the last one
      for (const auto& m : world.run_one())
        holder.receive(m);
    }
    committed.push_back(world.of<protocol::committed>().at(0));
  }
  CHECK(committed[0].digest == committed[1].digest);
}

TEST_CASE("a holder of an island publishes what its round made of the outer parameters") {
  fixture f;
  const address outer{.role = role_kind::gradient_aggregator};
  auto options = options_of(f.layout, f.start);
  options.islands = 2;
  options.island = 2;
  options.rounds = {.every = 2};
  options.outer_aggregators = {outer, outer};
  for (auto& held : options.blocks)
    held.round_start = held.parameters;
  parameter_holder holder(f.world, options);
  const auto finish = [&] {
    while (!f.world.computations.empty())
      for (const auto& m : f.world.run_one())
        holder.receive(m);
  };
  holder.on(f.gradient(0, 1));
  finish();
  CHECK(f.world.of<protocol::gradient>().empty()); // within the round
  REQUIRE(f.world.of<protocol::committed>().size() == 1);
  CHECK(f.world.of<protocol::committed>()[0].island == 2);
  const auto one = f.newest(1);

  f.world.sent.clear();
  holder.on(f.gradient(1, 1));
  finish();
  CHECK(f.world.of<protocol::committed>().empty());
  CHECK(f.world.of<protocol::parameters>().empty());
  REQUIRE(f.world.of<protocol::gradient>().size() == 1);
  const auto delta = f.world.of<protocol::gradient>()[0];
  CHECK(f.world.sent[0].to == outer);
  CHECK(delta.step == 1);
  CHECK(delta.span == tree_span{1, 1});
  // Two steps of momentum 0.9 with one gradient g: rate * (g + 1.9 g), shared by two islands.
  const float g = f.gradients[1].values()[0];
  CHECK(delta.value.values()[0] == doctest::Approx(0.5F * 2.9F * g / 2));

  holder.on(protocol::restarted{.who = shards[0]}); // none of its business
  holder.on(f.gradient(1, 1));                      // sent again by a shard
  CHECK(f.world.of<protocol::gradient>().size() == 1);
  holder.on(protocol::restarted{.who = outer});
  REQUIRE(f.world.of<protocol::gradient>().size() == 2);
  CHECK(same_bits(f.world.of<protocol::gradient>()[1].value, delta.value));

  const auto back = f.gradients[1];                                                   // anything
  holder.on(protocol::parameters{.version = 1, .step = 1, .block = 1, .value = one}); // old
  CHECK(f.world.computations.empty());
  holder.on(protocol::parameters{.version = 2, .step = 2, .block = 1, .value = back});
  holder.on(protocol::parameters{.version = 2, .step = 2, .block = 1, .value = back}); // twice
  finish();
  CHECK(same_bits(f.newest(1), back));
  REQUIRE(f.world.of<protocol::committed>().size() == 1);
  CHECK(f.world.of<protocol::committed>()[0].step == 1);
  CHECK(f.world.of<protocol::committed>()[0].digest == block_digest(*f.layout, 1, back));
  holder.on(protocol::restarted{.who = outer}); // has what it needs
  CHECK(f.world.of<protocol::gradient>().size() == 2);
}

TEST_CASE("a version of the outer parameters is a round's, and their holder commits nothing") {
  fixture f;
  auto options = options_of(f.layout, f.start);
  options.islands = 2;
  options.rounds = {.every = 3};
  parameter_holder holder(f.world, options);
  const auto hear = [&](std::uint64_t step) {
    holder.on(f.gradient(step, 1));
    while (!f.world.computations.empty())
      for (const auto& m : f.world.run_one())
        holder.receive(m);
  };
  hear(2);
  hear(2); // by a new aggregator
  REQUIRE(f.world.of<protocol::parameters>().size() == 2);
  CHECK(f.world.of<protocol::parameters>()[0].version == 3);
  hear(5);
  CHECK(f.world.of<protocol::parameters>().back().version == 6);
  CHECK(f.world.of<protocol::committed>().empty());
}

TEST_CASE("a late copy of the last round's gradient is not applied again") {
  fixture f;
  auto options = options_of(f.layout, f.start);
  options.islands = 2;
  options.rounds = {.every = 3, .last_step = 3};
  parameter_holder holder(f.world, options);
  for (int copy = 0; copy < 2; ++copy) {
    holder.on(f.gradient(2, 1));
    CHECK(f.world.computations.size() == (copy == 0 ? 1 : 0));
    while (!f.world.computations.empty())
      for (const auto& m : f.world.run_one())
        holder.receive(m);
  }
}
