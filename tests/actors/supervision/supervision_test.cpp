#include "actors/supervision/supervision.hpp"

#include "support/supervision_rig.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

using words = std::vector<std::string>;

std::vector<child_spec> actors(const std::vector<std::string>& ids) {
  std::vector<child_spec> out;
  for (const auto& id : ids)
    out.push_back({.id = id});
  return out;
}

supervision_tree flat(strategy_kind strategy) {
  return {.root = {.strategy = strategy, .children = actors({"a", "b", "c", "d"})}};
}

supervision_tree alone(child_spec spec, restart_intensity each = {}) {
  return {.root = {.of_each = each, .children = {std::move(spec)}}};
}

// Two supervisors below the root, each with two actors.
supervision_tree nested(restart_intensity below, restart_intensity budget) {
  const supervisor_spec left{.of_each = below, .children = actors({"a", "b"})};
  const supervisor_spec right{.of_each = below, .children = actors({"c", "d"})};
  return {.root = {.children = {supervisor_of("left", left), supervisor_of("right", right)}},
          .budget = budget};
}

} // namespace

TEST_CASE("a supervision starts its actors in order and stops them in the reverse one") {
  supervision_rig r(flat(strategy_kind::one_for_one));
  r.begin();
  CHECK(r.done() == words{"start a 1", "start b 1", "start c 1", "start d 1"});
  r.stop();
  CHECK(r.done() == words{"stop d", "stop c", "stop b", "stop a"});
  CHECK(r.machine.is_settled());
  CHECK(r.plays.empty());
}

TEST_CASE("a supervision starts an actor when those before it are ready") {
  auto tree = flat(strategy_kind::one_for_one);
  tree.root.children[1].start_within = 1s;
  supervision_rig r(tree);
  r.begin();
  CHECK(r.done() == words{"start a 1", "start b 1"});
  r.machine.ready(r.number("b"), 7, r.clock); // of another life
  CHECK(r.done().empty());
  r.ready("b");
  CHECK(r.done() == words{"start c 1", "start d 1"});
}

TEST_CASE("a supervision kills and restarts an actor that is not ready in time") {
  auto tree = flat(strategy_kind::one_for_one);
  tree.root.children[3].start_within = 1s;
  supervision_rig r(tree);
  r.begin();
  r.done();
  r.pass(999ms);
  CHECK(r.done().empty());
  r.pass(1ms);
  CHECK(r.done() == words{"kill d", "start d 2"});
  CHECK(r.told.back().reason == "it was not ready within 1000 ms");
}

TEST_CASE("a supervision kills who does not stop in time, and waits no longer for who cannot end") {
  supervision_rig r(flat(strategy_kind::one_for_one));
  r.begin();
  r.held = {"c", "d"};
  r.stop();
  r.done();
  r.pass(499ms);
  CHECK(r.done().empty());
  r.held = {"d"};
  r.pass(1ms);
  CHECK(r.done() == words{"kill d"});
  r.pass(500ms);
  CHECK(r.done() == words{"stop c", "stop b", "stop a"});
  CHECK(r.machine.is_settled());
}

TEST_CASE("a supervision restarts one for one, the rest, all, or a group") {
  const auto restarts = [](supervision_tree tree) {
    supervision_rig r(std::move(tree));
    r.begin();
    r.done();
    r.kill_from_outside("b");
    return r.done();
  };
  CHECK(restarts(flat(strategy_kind::one_for_one)) == words{"start b 2"});
  CHECK(restarts(flat(strategy_kind::rest_for_one)) ==
        words{"stop d", "stop c", "start b 2", "start c 2", "start d 2"});
  CHECK(restarts(flat(strategy_kind::one_for_all)) ==
        words{"stop d", "stop c", "stop a", "start a 2", "start b 2", "start c 2", "start d 2"});
  auto grouped = flat(strategy_kind::group_by_key);
  CHECK(restarts(grouped) == words{"start b 2"});
  grouped.root.children[1].group = grouped.root.children[3].group = "even";
  CHECK(restarts(grouped) == words{"stop d", "start b 2", "start d 2"});
}

TEST_CASE("a supervision makes one of two restarts that meet") {
  supervision_rig r(flat(strategy_kind::rest_for_one));
  r.begin();
  r.held = {"d"};
  r.done();
  r.kill_from_outside("c");
  CHECK(r.done() == words{"stop d"});
  r.kill_from_outside("a");
  CHECK(r.done().empty()); // d is to stop first, and was asked to
  r.held = {};
  r.end("d", {child_end::kind::killed, "asked to"});
  CHECK(r.done() == words{"stop b", "start a 2", "start b 2", "start c 2", "start d 2"});
}

TEST_CASE("a supervision acts once on each death, and on none of an older life") {
  supervision_rig r(flat(strategy_kind::one_for_one));
  r.begin();
  const auto a = r.number("a");
  r.machine.down(a, 1, {.reason = "x"}, r.clock);
  r.machine.down(a, 1, {.reason = "x"}, r.clock);
  CHECK(r.lives["a"] == 2);
  r.machine.down(a, 2, {child_end::kind::killed}, r.clock + 2s);
  r.machine.down(a, 1, {.reason = "x"}, r.clock + 2s);
  CHECK(r.lives["a"] == 3);
}

TEST_CASE("a permanent child comes back, a transient one unless it ended well, a temporary never") {
  auto tree = flat(strategy_kind::one_for_one);
  tree.root.children[1].restart = restart_kind::transient;
  tree.root.children[2].restart = restart_kind::temporary;
  supervision_rig r(tree);
  r.begin();
  r.done();
  const child_end well{child_end::kind::by_itself};
  r.end("a", well);
  r.end("b", well);
  r.end("c", well);
  CHECK(r.done() == words{"start a 2"});
  supervision_rig other(tree);
  other.begin();
  other.done();
  other.fail("b");
  other.fail("c");
  CHECK(other.done() == words{"start b 2"});
  CHECK(other.given_up.empty());
}

TEST_CASE("a temporary child that is stopped with others is not started again") {
  auto tree = flat(strategy_kind::one_for_all);
  tree.root.children[0].restart = restart_kind::temporary;
  supervision_rig r(tree);
  r.begin();
  r.done();
  r.kill_from_outside("b");
  CHECK(r.done() == words{"stop d", "stop c", "stop a", "start b 2", "start c 2", "start d 2"});
}

TEST_CASE("a supervision backs off from 5 ms to 10 s, a little less by chance, and forgives") {
  supervision_rig r(alone({.id = "a"}, {.failures = 100}));
  r.begin();
  r.fail("a");
  CHECK(r.plays.contains("a")); // the first time at once
  std::vector<std::chrono::nanoseconds> waited;
  for (int i = 0; i < 13; ++i) {
    r.fail("a");
    waited.push_back(r.until_start("a"));
  }
  std::chrono::nanoseconds whole = 5ms;
  for (const auto w : waited) {
    CHECK(w <= whole);
    CHECK(w >= whole * 3 / 4);
    whole = std::min<std::chrono::nanoseconds>(2 * whole, 10s);
  }
  CHECK(whole == 10s);
  r.kill_from_outside("a");
  CHECK(r.plays.contains("a")); // who kills on purpose says himself how often
  r.pass(1s);                   // it lives for a while
  r.fail("a");
  CHECK(r.plays.contains("a"));
  CHECK(r.given_up.empty());
}

TEST_CASE("the jitter of a back-off is the seed's, and differs between children") {
  const auto delays = [](std::uint64_t seed, const std::string& who) {
    auto tree = flat(strategy_kind::one_for_one);
    tree.seed = seed;
    supervision_rig r(tree);
    r.begin();
    std::vector<std::chrono::nanoseconds> out;
    for (int i = 0; i < 6; ++i) {
      r.fail(who);
      out.push_back(r.until_start(who));
    }
    return out;
  };
  CHECK(delays(1, "a") == delays(1, "a"));
  CHECK(delays(1, "a") != delays(2, "a"));
  CHECK(delays(1, "a") != delays(1, "b"));
}

TEST_CASE("a window bears so many failures, and forgets each of them after its time") {
  supervision_rig r(alone({.id = "a"}, {.failures = 3, .window = 10s}));
  r.begin();
  for (int i = 0; i < 3; ++i) {
    r.pass(2s);
    r.fail("a", "failure " + std::to_string(i));
  }
  CHECK(r.given_up.empty());
  r.pass(6s); // the first one was 10 s ago
  for (int i = 0; i < 4; ++i) {
    r.fail("a", "later " + std::to_string(i));
    r.pass(4s);
  }
  CHECK(r.given_up.empty());
  r.fail("a", "one");
  r.until_start("a");
  CHECK(r.given_up.empty());
  r.fail("a", "too many");
  REQUIRE(r.given_up.size() == 1);
  CHECK(r.given_up[0].what == "a is down: too many");
  CHECK(r.given_up[0].why == "a had more than 3 failures in 10 s");
}

TEST_CASE("an actor that fails for ever ends its supervision within the budget, with a report") {
  supervision_rig r(alone({.id = "a"}, {.failures = 10}));
  r.begin();
  int lives = 1;
  for (; r.given_up.empty() && lives < 1'000; ++lives) {
    r.fail("a", "no memory");
    r.until_start("a");
  }
  CHECK(r.lives["a"] == 11);
  CHECK_FALSE(r.plays.contains("a"));
  CHECK(r.given_up.size() == 1);
}

TEST_CASE("a supervisor that bears no more restarts all of its actors, and the root's gives up") {
  supervision_rig r(nested({.failures = 1}, {.failures = 100}));
  r.begin();
  r.done();
  r.fail("b", "one");
  CHECK(r.done() == words{"start b 2"});
  r.fail("b", "two");
  r.pass(20ms);
  CHECK(r.done() == words{"stop a", "start a 2", "start b 3"});
  CHECK(r.plays.size() == 4);
  CHECK(r.given_up.empty());
}

TEST_CASE("budgets of nested supervisors do not multiply: the tree has one for all") {
  supervision_rig r(nested({.failures = 5}, {.failures = 12}));
  r.begin();
  int failures = 0;
  while (r.given_up.empty() && failures < 1'000) {
    r.fail(failures % 2 == 0 ? "a" : "d", std::to_string(failures));
    ++failures;
    if (r.given_up.empty()) {
      r.until_start("a");
      r.until_start("d");
    }
  }
  CHECK(failures == 13);
  CHECK(r.given_up.at(0).why == "all actors together had more than 12 failures in 60 s");
}

TEST_CASE("a storm that back-off makes slow ends as well, whatever is restarted meanwhile") {
  supervision_rig r(nested({.failures = 5}, {.failures = 100}));
  r.begin();
  int failures = 0;
  while (r.given_up.empty() && failures < 1'000) {
    r.fail("a", std::to_string(++failures));
    if (r.given_up.empty()) r.until_start("a");
  }
  CHECK(failures == 15);
  CHECK(r.given_up.at(0).why ==
        "it failed more than 14 times in a row, each time within 1000 ms of its start");
  CHECK(r.clock > 20s);
  CHECK(r.clock < 60s);
}

TEST_CASE("failures of one that lives for a while in between are not in a row") {
  supervision_rig r(alone({.id = "a"}, {.failures = 1'000}));
  r.begin();
  for (int i = 0; i < 40; ++i) {
    r.pass(2s);
    r.fail("a", std::to_string(i));
    r.until_start("a");
  }
  CHECK(r.given_up.empty());
}

TEST_CASE("the same failure on the same input is not tried a third time") {
  supervision_rig r(alone({.id = "a"}));
  r.begin();
  const auto fails = [&](const char* words, const char* input) {
    r.until_start("a");
    r.fail("a", words, input);
  };
  fails("no number", "gradient of step 3, key 1f");
  fails("no number", "gradient of step 3, key 2e"); // another input
  fails("no memory", "gradient of step 3, key 2e"); // other words
  CHECK(r.given_up.empty());
  fails("no memory", "gradient of step 3, key 2e");
  REQUIRE(r.given_up.size() == 1);
  CHECK(r.given_up[0].why ==
        "it failed the same way twice on one input: gradient of step 3, key 2e");
  CHECK_FALSE(r.plays.contains("a"));
}

TEST_CASE("who holds the only copy of something is not restarted, nor stopped with others") {
  auto tree = flat(strategy_kind::one_for_one);
  tree.root.children[2].state = state_source::itself;
  supervision_rig r(tree);
  r.begin();
  r.kill_from_outside("c");
  CHECK(r.given_up.at(0).why == "it holds state that no other actor has");
  tree.root.strategy = strategy_kind::one_for_all;
  supervision_rig other(tree);
  other.begin();
  other.done();
  other.kill_from_outside("a");
  CHECK(other.done().empty());
  CHECK(other.given_up.at(0).why ==
        "c would be restarted with it, and holds state that no other actor has");
}

TEST_CASE("a successor counts what its predecessor was told, and restarts who was not started") {
  const restart_intensity each{.failures = 3, .window = 10s};
  supervision_rig r(alone({.id = "a"}, each));
  r.machine.adopt();
  r.clock = 5s;
  for (incarnation life = 1; life <= 3; ++life) {
    r.lives["a"] = life;
    const auto number = std::to_string(life);
    r.machine.past_down(r.number("a"), life, {.reason = number}, 1s * life, life < 3 ? 3 : 0, 5s);
  }
  r.until_start("a");
  CHECK(r.done() == words{"start a 4"});
  REQUIRE(r.told.size() == 2); // that life 3 was there, and of the one that it has started
  CHECK(r.told[0].life == 3);
  CHECK(r.told[1].life == 4);
  r.fail("a", "four");
  CHECK(r.given_up.size() == 1);
}
