#include "actors/director.hpp"

#include "support/fake_context.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cmath>
#include <limits>

using namespace troupe;

namespace {

const address shard{.role = role_kind::layer_shard};
const address evaluator_address{.role = role_kind::evaluator};

struct fixture {
  explicit fixture(director_options o = {}, const protocol::cursor& at = {.life = 1})
      : world({.role = role_kind::director}, at.life), boss(world, complete(std::move(o))) {
    boss.started();
    REQUIRE(world.of<protocol::want_cursor>().back().life == at.life);
    world.sent.clear();
    boss.on(at);
    record();
  }

  // All that was told.
  void record() { boss.on(protocol::recorded{{world.life(), 1000}}); }

  static director_options complete(director_options o) {
    o.last_step = 4;
    o.steps_per_epoch = 2;
    o.microbatches = 2;
    o.blocks = 2;
    if (o.shards.empty()) o.shards = {shard};
    return o;
  }

  void report(std::uint64_t step, std::uint32_t microbatch, double loss) {
    boss.on(protocol::microbatch_report{step, microbatch, loss, 2.0, 1});
  }

  void commit(std::uint64_t step, int block) {
    boss.on(protocol::committed{step, block, step * 10});
  }

  void run_step(std::uint64_t step) {
    commit(step, 0);
    commit(step, 1);
    report(step, 0, 1.0);
    report(step, 1, 3.0);
    record();
  }

  std::uint64_t permitted() const { return world.of<protocol::begin_step>().back().step; }

  // Whole shares of the steps that a shard was told of, in order.
  std::string told(const address& who) const {
    std::string out;
    for (const auto& s : world.sent)
      if (const auto* m = std::get_if<protocol::begin_step>(&s.content);
          m != nullptr && s.to == who)
        out += fmt::format("{}: {}+{}; ", m->step, m->run.first, m->run.count);
    return out;
  }

  test::fake_context world;
  director boss;
};

} // namespace

TEST_CASE("a director commits a step when every block and every microbatch has reported") {
  fixture f;
  f.report(0, 1, 3.0);
  f.commit(0, 0);
  f.commit(0, 0);
  f.report(0, 0, 1.0);
  CHECK(f.world.of<protocol::step_committed>().empty());
  f.commit(0, 1);
  const auto steps = f.world.of<protocol::step_committed>();
  REQUIRE(steps.size() == 1);
  CHECK(steps[0].loss == 2.0);
  CHECK(steps[0].correct == 2);
}

TEST_CASE("a director permits no step beyond the epoch until it has been evaluated") {
  fixture f{{.evaluators = {evaluator_address}}};
  CHECK(f.permitted() == 1);
  f.run_step(0);
  f.run_step(1);
  CHECK(f.permitted() == 1);
  REQUIRE(f.world.of<protocol::evaluate>().size() == 1);
  f.boss.on(protocol::evaluated{.round = 1, .part = 0, .test = {{2.0}, 3, 4}});
  CHECK(f.permitted() == 1); // a successor would evaluate again
  f.record();
  CHECK(f.permitted() == 3);
  REQUIRE(f.world.of<protocol::epoch_ended>().size() == 1);
  CHECK(f.world.of<protocol::epoch_ended>()[0].test.correct == 3);
}

TEST_CASE("a director ends the job with the state after the last step") {
  fixture f;
  for (std::uint64_t step = 0; step < 4; ++step)
    f.run_step(step);
  REQUIRE(f.world.of<protocol::save>().size() == 1);
  f.boss.on(protocol::saved{.request = 1});
  REQUIRE(f.world.of<protocol::job_ended>().size() == 1);
  CHECK(f.world.of<protocol::job_ended>()[0].steps == 4);
  CHECK_FALSE(f.world.of<protocol::job_ended>()[0].interrupted);
}

TEST_CASE("a director told to stop finishes the steps in flight and saves") {
  fixture f{{.checkpoint_folder = "there"}};
  f.boss.on(protocol::stop_job{});
  f.run_step(0);
  CHECK(f.world.of<protocol::save>().empty());
  f.run_step(1);
  REQUIRE(f.world.of<protocol::save>().size() == 1);
  CHECK(f.world.of<protocol::save>()[0].path == "there/step-00000002");
  f.boss.on(protocol::saved{.request = 1, .path = "there/step-00000002"});
  f.boss.on(protocol::saved{.request = 2}); // the parameters
  REQUIRE(f.world.of<protocol::job_ended>().size() == 1);
  CHECK(f.world.of<protocol::job_ended>()[0].interrupted);
}

TEST_CASE("a director has the job saved while it goes on, up to the next one but one") {
  fixture f{{.checkpoint_folder = "there", .checkpoint_every = 1}};
  CHECK(f.permitted() == 1);
  f.run_step(0);
  REQUIRE(f.world.of<protocol::save>().size() == 1);
  const auto save = f.world.of<protocol::save>()[0];
  CHECK(save.path == "there/step-00000001");
  CHECK(save.version == 1);
  CHECK_FALSE(save.collects);
  f.run_step(1); // training goes on; the epoch ends
  CHECK(f.world.of<protocol::save>().size() == 1);
  CHECK(f.permitted() == 1); // holders keep the state of steps 1 and 2
  f.boss.on(protocol::saved{.request = save.request, .path = save.path});
  REQUIRE(f.world.of<protocol::checkpoint_saved>().size() == 1);
  CHECK(f.world.of<protocol::checkpoint_saved>()[0].step == 1);
  CHECK(f.world.of<protocol::save>().size() == 1); // a successor would ask for the same
  f.record();
  REQUIRE(f.world.of<protocol::save>().size() == 2);
  CHECK(f.world.of<protocol::save>()[1].version == 2);
  CHECK(f.permitted() == 2);
  f.boss.on(protocol::saved{.request = save.request, .path = save.path}); // late
  CHECK(f.world.of<protocol::checkpoint_saved>().size() == 1);
}

TEST_CASE("the checkpoint of an epoch's end is asked for when its evaluation is told") {
  const director_options both{
      .evaluators = {evaluator_address}, .checkpoint_folder = "there", .checkpoint_every = 1};
  fixture f(both);
  f.run_step(0);
  f.run_step(1);
  f.boss.on(protocol::saved{.request = 1, .path = "there/step-00000001"});
  f.record();
  CHECK(f.world.of<protocol::save>().size() == 1);
  f.boss.on(protocol::evaluated{.round = 1, .part = 0, .test = {{2.0}, 3, 4}});
  REQUIRE(f.world.of<protocol::save>().size() == 2);
  CHECK(f.world.of<protocol::save>()[1].version == 2);

  fixture next(both, {.life = 2, .step = 2, .paused = true, .saved = 0}); // evaluates again
  REQUIRE(next.world.of<protocol::save>().size() == 1);
  CHECK(next.world.of<protocol::save>()[0].version == 1); // meanwhile
}

TEST_CASE("a job ends when each checkpoint that was due is known, though the recorder is slow") {
  fixture f{{.checkpoint_folder = "there", .checkpoint_every = 1}};
  f.run_step(0);
  f.run_step(1);
  f.boss.on(protocol::saved{.request = 1, .path = "there/step-00000001"});
  f.record();
  f.run_step(2);
  f.boss.on(protocol::saved{.request = 2, .path = "there/step-00000002"});
  for (const int block : {0, 1}) {
    f.commit(3, block);
    f.report(3, static_cast<std::uint32_t>(block), 1.0);
  }
  CHECK(f.world.of<protocol::save>().size() == 2);
  f.record();
  REQUIRE(f.world.of<protocol::save>().size() == 3);
  CHECK(f.world.of<protocol::save>()[2].version == 3);
  f.boss.on(protocol::saved{.request = 3, .path = "there/step-00000003"});
  REQUIRE(f.world.of<protocol::save>().size() == 4);
  CHECK(f.world.of<protocol::save>()[3].version == 4);
  CHECK(f.world.of<protocol::save>()[3].collects);
}

TEST_CASE("a job ends when the checkpoint before is known, with one of its last step") {
  fixture f{{.checkpoint_folder = "there", .checkpoint_every = 3}};
  for (std::uint64_t step = 0; step < 4; ++step)
    f.run_step(step);
  REQUIRE(f.world.of<protocol::save>().size() == 1);
  CHECK(f.world.of<protocol::save>()[0].version == 3);
  f.boss.on(protocol::saved{.request = 1, .path = "there/step-00000003", .problem = "disk full"});
  REQUIRE(f.world.of<protocol::save>().size() == 2);
  CHECK(f.world.of<protocol::save>()[1].version == 4);
  CHECK(f.world.of<protocol::save>()[1].collects);
  CHECK(f.world.of<protocol::job_ended>().empty());
  f.boss.on(protocol::saved{.request = 2, .path = "there/step-00000004"});
  CHECK(f.world.of<protocol::checkpoint_saved>().size() == 2);
  CHECK(f.world.of<protocol::job_ended>().size() == 1);
}

TEST_CASE("a job that is stopped where it was just saved is not saved again") {
  fixture f{{.checkpoint_folder = "there", .checkpoint_every = 1}};
  f.run_step(0);
  f.boss.on(protocol::stop_job{});
  f.boss.on(protocol::saved{.request = 1, .path = "there/step-00000001"});
  f.record();
  f.run_step(1);
  REQUIRE(f.world.of<protocol::save>().size() == 2);
  CHECK(f.world.of<protocol::save>()[1].version == 2);
  f.boss.on(protocol::saved{.request = 2, .path = "there/step-00000002"});
  REQUIRE(f.world.of<protocol::save>().size() == 3);
  CHECK(f.world.of<protocol::save>()[2].path.empty()); // the parameters alone
  CHECK(f.world.of<protocol::save>()[2].collects);
}

TEST_CASE("where updates are applied as they come, training pauses to be saved") {
  fixture f{{.workers = 1, .checkpoint_folder = "there", .checkpoint_every = 1}};
  CHECK(f.permitted() == 0);
  f.run_step(0);
  REQUIRE(f.world.of<protocol::save>().size() == 1);
  CHECK(f.permitted() == 0);
  f.boss.on(protocol::saved{.request = 1, .path = "there/step-00000001"});
  f.record();
  CHECK(f.permitted() == 1);
}

TEST_CASE("a new director asks again for a checkpoint of which nothing is on record") {
  const director_options saving{.checkpoint_folder = "there", .checkpoint_every = 1};
  fixture f(saving, {.life = 2, .step = 2, .went_on = true, .saved = 0});
  REQUIRE(f.world.of<protocol::save>().size() == 1);
  CHECK(f.world.of<protocol::save>()[0].version == 1);
  CHECK(f.permitted() == 1);
  fixture later(saving, {.life = 2, .step = 2, .went_on = true, .saved = 2});
  CHECK(later.world.of<protocol::save>().empty());
  CHECK(later.permitted() == 3);
}

TEST_CASE("a director fails the job at a loss that is not a number, with the step in the text") {
  fixture f;
  f.commit(0, 0);
  f.commit(0, 1);
  f.report(0, 0, std::numeric_limits<double>::quiet_NaN());
  f.report(0, 1, 1.0);
  const auto ends = f.world.of<protocol::job_ended>();
  REQUIRE(ends.size() == 1);
  CHECK(ends[0].failure.what == "the loss of step 0 is nan");
  CHECK(f.world.of<protocol::step_committed>().empty());
}

TEST_CASE("a director tells a restarted shard again how far it may run") {
  fixture f;
  f.world.sent.clear();
  f.boss.on(protocol::restarted{.who = shard, .life = 2});
  REQUIRE(f.world.of<protocol::begin_step>().size() == 1);
  CHECK(f.permitted() == 1);
}

TEST_CASE("a dial is told when its step comes, before the permission for what follows") {
  fixture f{{.edges = {{credit_kind::prefetch, shard, 1, prefetch_max}},
             .dials = {{credit_kind::prefetch, {}, 3, 1}, {credit_kind::prefetch, {}, 2, 0}}}};
  REQUIRE(f.world.sent.size() == 2);
  CHECK(std::get<protocol::set_credit>(f.world.sent[0].content).prefetch == 2);
  CHECK(std::get<protocol::begin_step>(f.world.sent[1].content).credit == 1);
  f.world.sent.clear();
  f.run_step(0);
  REQUIRE(f.world.of<protocol::set_credit>().size() == 1);
  CHECK(f.world.of<protocol::set_credit>()[0].prefetch == 3);
  CHECK(std::holds_alternative<protocol::set_credit>(f.world.sent[1].content)); // [0]: recorder
  CHECK(f.world.of<protocol::begin_step>().back().credit == 2);
}

TEST_CASE("a dial that is set from outside holds at once, and for the incarnations that follow") {
  fixture f{{.edges = {{credit_kind::prefetch, shard, 1, prefetch_max}}}};
  f.boss.on(protocol::restarted{.who = shard, .life = 2});
  CHECK(f.world.of<protocol::set_credit>().empty());
  f.boss.on(protocol::set_dial{{credit_kind::prefetch, {}, 5}});
  CHECK(f.world.of<protocol::set_credit>().back().prefetch == 5);
  f.world.sent.clear();
  f.boss.on(protocol::restarted{.who = shard, .life = 3});
  REQUIRE(f.world.sent.size() == 2);
  CHECK(std::get<protocol::set_credit>(f.world.sent[0].content).prefetch == 5);
  CHECK(std::get<protocol::begin_step>(f.world.sent[1].content).credit == 1);
}

TEST_CASE("a step's lead is told with the bound of the read that led most") {
  fixture f;
  f.boss.on(protocol::committed{.step = 0, .block = 0, .lead = 1, .lead_bound = 4});
  f.boss.on(protocol::committed{.step = 0, .block = 1, .lead = 3, .lead_bound = 8});
  f.report(0, 0, 1.0);
  f.report(0, 1, 1.0);
  const auto steps = f.world.of<protocol::step_committed>();
  REQUIRE(steps.size() == 1);
  CHECK(steps[0].lead == 3);
  CHECK(steps[0].lead_bound == 8);
}

TEST_CASE(
    "of islands, a step is committed with the blocks of all; who is ahead begins where it is") {
  const address ahead = shard, behind{.role = role_kind::layer_shard, .replica = 1};
  fixture f{{.islands = 2,
             .shards = {ahead, behind},
             .island_of = {{ahead, 1}, {behind, 2}},
             .steps_ahead = 4}};
  const auto commit = [&](std::uint64_t step, std::uint32_t island, std::uint64_t digest) {
    for (const int block : {0, 1})
      f.boss.on(
          protocol::committed{.step = step, .block = block, .digest = digest, .island = island});
  };
  const auto begins = [&](const address& who) {
    f.boss.on(protocol::restarted{.who = who, .life = 2});
    return f.world.of<protocol::begin_step>().back().committed;
  };
  commit(0, 1, 10);
  CHECK(f.world.of<protocol::begin_step>().back().committed == 1); // said at once
  commit(1, 1, 11);
  CHECK(begins(ahead) == 2);
  CHECK(begins(behind) == 0);
  f.report(0, 0, 1.0);
  f.report(0, 1, 5.0);
  CHECK(f.world.of<protocol::step_committed>().empty());
  commit(0, 2, 20);
  const auto steps = f.world.of<protocol::step_committed>();
  REQUIRE(steps.size() == 1);
  CHECK(steps[0].digest == 60);          // of two islands that differ
  CHECK(steps[0].loss == 6.0 / (2 + 2)); // each has a normaliser of its own
  CHECK(begins(behind) == 1);
  f.report(1, 0, 1.0);
  f.report(1, 1, 1.0);
  commit(1, 2, 11);
  CHECK(f.world.of<protocol::step_committed>().back().digest == 22); // the one that both have
}

TEST_CASE("a director deals each step once, and tells it again to whom is restarted") {
  const address other{.role = role_kind::layer_shard, .replica = 1};
  fixture f{{.shards = {shard, other},
             .shares = {
                 .wired = {{0, {0, 1}}, {1, {1, 1}}}, .balance = true, .units = tree_nodes(2, 1)}}};
  CHECK(f.told(shard) == "0: 0+1; 1: 0+1; ");
  CHECK(f.told(other) == "0: 1+1; 1: 1+1; ");
  f.world.sent.clear();
  f.boss.on(protocol::restarted{.who = other, .life = 2});
  CHECK(f.told(shard).empty());
  CHECK(f.told(other) == "0: 1+1; 1: 1+1; ");
  f.run_step(0);
  f.run_step(1);
  REQUIRE(f.world.of<protocol::step_committed>().size() == 2);
  CHECK(text(f.world.of<protocol::step_committed>()[0].shares) == "1:1");
  f.record();
  f.world.sent.clear();
  f.boss.on(protocol::restarted{.who = shard, .life = 2});
  CHECK(f.told(shard) == "2: 0+1; 3: 0+1; "); // what was committed is nobody's share
}

TEST_CASE("a director counts the layer shards that were overtaken since the last commit") {
  fixture f;
  f.boss.on(protocol::share_computed{.who = shard, .microbatches = 1, .overtaken = true});
  f.run_step(0);
  f.run_step(1);
  const auto steps = f.world.of<protocol::step_committed>();
  CHECK(steps[0].overtaken == 1);
  CHECK(steps[1].overtaken == 0);
}

TEST_CASE("a new director goes on where the record ends, with what others say again") {
  fixture f({}, {.life = 2, .step = 1});
  CHECK(f.world.of<protocol::begin_step>().back().recorded == 1);
  f.run_step(0); // known
  CHECK(f.world.of<protocol::step_committed>().empty());
  f.run_step(1);
  const auto steps = f.world.of<protocol::step_committed>();
  REQUIRE(steps.size() == 1);
  CHECK(steps[0].step == 1);
  CHECK(steps[0].number == protocol::event_number{2, 1});
}

TEST_CASE("what is said again to a new director before it knows where the job stands counts") {
  test::fake_context world{{.role = role_kind::director}, 2};
  director boss(world, fixture::complete({}));
  boss.started();
  for (const std::uint64_t step : {0, 1})
    for (const int half : {0, 1}) {
      boss.on(protocol::committed{step, half, 10});
      boss.on(protocol::microbatch_report{step, static_cast<std::uint32_t>(half), 1, 1, 0});
    }
  CHECK(world.of<protocol::step_committed>().empty());
  boss.on(protocol::cursor{.life = 1, .step = 0}); // an answer to the one before
  CHECK(world.of<protocol::step_committed>().empty());
  boss.on(protocol::cursor{.life = 2, .step = 1});
  const auto steps = world.of<protocol::step_committed>();
  REQUIRE(steps.size() == 1);
  CHECK(steps[0].step == 1);
}

TEST_CASE("a new director begins a pause anew that was not over, and no other") {
  const director_options evaluated{.evaluators = {evaluator_address}};
  {
    fixture f(evaluated, {.life = 3, .step = 2}); // nobody had noticed the epoch's end
    REQUIRE(f.world.of<protocol::evaluate>().size() == 1);
    CHECK(f.world.of<protocol::begin_step>().empty());
    const auto round = f.world.of<protocol::evaluate>()[0].round;
    CHECK(round >
          fixture(evaluated, {.life = 2, .step = 2}).world.of<protocol::evaluate>()[0].round);
    f.boss.on(protocol::evaluated{.round = 1, .part = 0}); // of a director before
    CHECK(f.world.of<protocol::epoch_ended>().empty());
    f.boss.on(protocol::evaluated{.round = round, .part = 0});
    CHECK(f.world.of<protocol::epoch_ended>().size() == 1);
    f.record();
    CHECK(f.permitted() == 3);
  }
  CHECK(fixture(evaluated, {.life = 2, .step = 2, .paused = true})
            .world.of<protocol::evaluate>()
            .size() == 1);
  CHECK(fixture(evaluated, {.life = 2, .step = 2, .went_on = true})
            .world.of<protocol::evaluate>()
            .empty());
  CHECK(fixture(evaluated, {.life = 2, .step = 1}).world.of<protocol::evaluate>().empty());
  CHECK(fixture(evaluated, {.life = 1, .step = 0}).world.of<protocol::evaluate>().empty());
  CHECK(fixture({}, {.life = 2, .step = 4, .paused = true}).world.of<protocol::save>().size() == 1);
}

TEST_CASE("a new director that is told to stop finishes what the one before may have permitted") {
  test::fake_context world{{.role = role_kind::director}, 2};
  director boss(world, fixture::complete({}));
  boss.started();
  boss.on(protocol::stop_job{});
  boss.on(protocol::cursor{.life = 2, .step = 0});
  CHECK(world.of<protocol::begin_step>().back().step == 1);
  CHECK(world.of<protocol::save>().empty());
  for (const std::uint64_t step : {0, 1})
    for (const int half : {0, 1}) {
      boss.on(protocol::committed{step, half, 10});
      boss.on(protocol::microbatch_report{step, static_cast<std::uint32_t>(half), 1, 1, 0});
    }
  REQUIRE(world.of<protocol::save>().size() == 1);
  CHECK(world.of<protocol::save>()[0].version == 2);
}

TEST_CASE("of a job that has ended a new director says nothing") {
  fixture f({}, {.life = 2, .step = 4, .ended = true});
  CHECK(f.world.sent.empty());
}

TEST_CASE("a new recorder is told what is not on record yet, in order") {
  const address recorder_address{.role = role_kind::recorder};
  fixture f;
  f.commit(0, 0);
  f.commit(0, 1);
  f.report(0, 0, 1.0);
  f.report(0, 1, 1.0);
  f.run_step(1); // pauses: the epoch ends
  f.world.sent.clear();
  f.boss.on(protocol::restarted{.who = recorder_address, .life = 2});
  REQUIRE(f.world.sent.size() == 1);
  CHECK(std::holds_alternative<protocol::want_cursor>(f.world.sent[0].content));
  f.commit(2, 0);
  f.commit(2, 1);
  f.report(2, 0, 1.0);
  f.report(2, 1, 1.0);
  f.world.sent.clear();
  f.boss.on(protocol::restarted{.who = recorder_address, .life = 3});
  REQUIRE(f.world.sent.size() == 2);
  CHECK(std::get<protocol::step_committed>(f.world.sent[1].content).step == 2);
  f.record();
  f.world.sent.clear();
  f.boss.on(protocol::restarted{.who = recorder_address, .life = 4});
  CHECK(f.world.sent.size() == 1);
}

TEST_CASE("a new director tells the digest of the newest parameters, whichever step made them") {
  fixture f({.workers = 2, .steps_ahead = 4}, {.life = 2, .step = 1});
  for (const int block : {0, 1}) { // step 0 was applied after step 1
    f.boss.on(protocol::committed{.step = 0, .block = block, .digest = 30, .version = 2});
    f.boss.on(protocol::committed{.step = 1, .block = block, .digest = 20, .version = 1});
  }
  f.report(1, 0, 1.0);
  f.report(1, 1, 3.0);
  const auto steps = f.world.of<protocol::step_committed>();
  REQUIRE(steps.size() == 1);
  CHECK(steps[0].digest == 60);
}

TEST_CASE("a share is on record before a shard hears of it, and is not dealt again") {
  const address other{.role = role_kind::layer_shard, .replica = 1};
  const director_options dealing{
      .shards = {shard, other},
      .shares = {.wired = {{0, {0, 1}}, {1, {1, 1}}}, .balance = true, .units = tree_nodes(2, 1)}};
  test::fake_context world{{.role = role_kind::director}};
  director boss(world, fixture::complete(dealing));
  boss.started();
  boss.on(protocol::cursor{.life = 1});
  CHECK(world.of<protocol::begin_step>().empty());
  const auto dealt = world.of<protocol::shares_dealt>();
  REQUIRE(dealt.size() == 2);
  boss.on(protocol::recorded{dealt[0].number});
  CHECK(world.of<protocol::begin_step>().back().step == 0);

  fixture f(dealing, {.life = 2, .step = 0, .dealt = {{0, {{0, {0, 2}}}}}});
  CHECK(f.told(shard) == "0: 0+2; 1: 0+1; ");
  REQUIRE(f.world.of<protocol::shares_dealt>().size() == 1);
  CHECK(f.world.of<protocol::shares_dealt>()[0].step == 1);
}

TEST_CASE("a worker's step whose reports died with a director is told without them") {
  fixture f({.workers = 1, .steps_ahead = 4}, {.life = 2});
  f.report(0, 1, 3.0);
  f.commit(0, 0);
  f.commit(0, 1);
  f.boss.on(protocol::reports_told{shard, 0}); // it may still report step 0
  CHECK(f.world.of<protocol::step_committed>().empty());
  f.boss.on(protocol::reports_told{shard, 1});
  const auto steps = f.world.of<protocol::step_committed>();
  REQUIRE(steps.size() == 1);
  CHECK(steps[0].reports_lost == 1);
  CHECK(steps[0].loss == 3.0);
  CHECK(f.world.of<protocol::job_ended>().empty());

  f.commit(1, 0);
  f.commit(1, 1);
  f.boss.on(protocol::reports_told{shard, 2});
  REQUIRE(f.world.of<protocol::step_committed>().size() == 2);
  CHECK(std::isnan(f.world.of<protocol::step_committed>()[1].loss));
  CHECK(f.world.of<protocol::job_ended>().empty()); // that loss says nothing of the parameters
}

TEST_CASE("an island's step whose reports died with a director makes the job begin again") {
  const address other{.role = role_kind::layer_shard, .replica = 1};
  fixture f({.islands = 2, .shards = {shard, other}, .island_of = {{shard, 1}, {other, 2}}},
            {.life = 2});
  for (const int block : {0, 1})
    f.boss.on(protocol::committed{.step = 0, .block = block, .island = 1});
  f.boss.on(protocol::reports_told{other, 1}); // island 2 has not applied it
  CHECK(f.world.of<protocol::job_ended>().empty());
  f.boss.on(protocol::reports_told{shard, 1});
  REQUIRE(f.world.of<protocol::job_ended>().size() == 1);
  CHECK(f.world.of<protocol::job_ended>()[0].begin_again);
  CHECK(f.world.of<protocol::job_ended>()[0].failure.what ==
        "what island 1 reported of step 0 is lost");
}

TEST_CASE("state that is lost ends the job, which may begin again") {
  fixture f;
  f.boss.on(protocol::state_lost{{.role = role_kind::parameter_holder}});
  f.boss.on(protocol::state_lost{{.role = role_kind::parameter_holder}});
  REQUIRE(f.world.of<protocol::job_ended>().size() == 1);
  CHECK(f.world.of<protocol::job_ended>()[0].begin_again);
}
