#include "actors/wait_graph.hpp"

#include "actors/runtime/simulated_world.hpp"
#include "actors/supervisor.hpp"
#include "ops/error.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace troupe;
using namespace std::chrono_literals;

namespace {

const address director{.role = role_kind::director};
const address supervising{.role = role_kind::supervisor};
const address holder{.role = role_kind::parameter_holder};
const address adder{.role = role_kind::gradient_aggregator};
const address shard{.role = role_kind::layer_shard, .replica = 1};
const address loader{.role = role_kind::data_loader, .replica = 1};

wait for_(wait_kind what, const address& from) {
  return {.what = what, .from = from, .step = 3};
}

// The director waits for the holder, it for the sum, that for the shard, and the shard for `last`.
wait_graph chain(std::vector<wait> last = {for_(wait_kind::batch, loader)}) {
  wait_graph g{.knows_mail = true};
  const auto add = [&](const address& who, std::uint32_t node, std::vector<wait> waits) {
    g.actors.push_back(
        {.who = who, .life = 1, .node = node, .quiet = 2s, .waits = std::move(waits)});
  };
  add(director, 0, {for_(wait_kind::commit, holder)});
  add(loader, 1, {});
  add(shard, 1, std::move(last));
  add(adder, 0, {for_(wait_kind::gradient, shard)});
  add(holder, 0, {for_(wait_kind::sum, adder)});
  add(supervising, 0, {});
  std::sort(
      g.actors.begin(), g.actors.end(), [](const auto& a, const auto& b) { return a.who < b.who; });
  return g;
}

waiting_actor& at(wait_graph& g, const address& who) {
  return *std::find_if(
      g.actors.begin(), g.actors.end(), [&](const auto& a) { return a.who == who; });
}

suspect worst(const wait_graph& g) {
  const auto v = verdict_of(g);
  REQUIRE_FALSE(v.suspects.empty());
  return v.suspects.front();
}

} // namespace

TEST_CASE("the blame is found by following waits to who could go on and does not") {
  auto g = chain();
  at(g, loader).state = actor_state::handling;
  const auto s = worst(g);
  CHECK(s.why == blame::stuck);
  CHECK(s.who == loader);
  REQUIRE(s.path.size() == 4);
  CHECK(s.path.front().who == director);
  CHECK(s.path.back().who == shard);
  CHECK(verdict_of(g).step == 3);
  CHECK(verdict_of(g).is_held_up());
  CHECK(headline(verdict_of(g)) ==
        "step 3 waits: data_loader/1 has not come back from a handler for 2 s");
}

TEST_CASE("a node that is paused, silent or missing is to blame, and not who is on it") {
  for (const auto& [state, why] : {std::pair(node_state::paused, blame::paused_node),
                                   std::pair(node_state::silent, blame::silent_node),
                                   std::pair(node_state::missing, blame::missing_node)}) {
    auto g = chain();
    g.nodes = {{1, state, "its process ended"}};
    const auto s = worst(g);
    CHECK(s.why == why);
    CHECK(s.node == 1);
    CHECK(s.path.size() == 3);
    CHECK(s.text.find("its process ended") != std::string::npos);
  }
}

TEST_CASE("a cut link on which something waits is to blame, and not who would have heard it") {
  for (const bool answer : {true, false}) {
    auto g = chain();
    g.mail = {{answer ? loader : shard, answer ? shard : loader, 2, 5s, 1, 0, true}};
    const auto s = worst(g);
    CHECK(s.why == blame::cut_link);
    CHECK(s.node == 1);
    CHECK(s.to_node == 0);
    CHECK(s.path.back().who == shard);
  }
}

TEST_CASE("who is down is to blame, with the time at which it is started again") {
  auto g = chain();
  at(g, loader).state = actor_state::down;
  CHECK(worst(g).why == blame::down);
  CHECK(worst(g).text == "data_loader/1 is down, and is not started again yet");
  at(g, supervising).waits = {{.what = wait_kind::backoff, .from = loader, .due = 320ms}};
  CHECK(worst(g).text == "data_loader/1 is down; its supervisor starts it again in 320 ms");
  g.nodes = {{0, node_state::there, {}}};
  at(g, supervising).state = actor_state::handling;
  const auto all = verdict_of(g).suspects;
  REQUIRE(all.size() >= 2);
  CHECK(all[1].who == supervising);
}

TEST_CASE("who waits for each other in a circle is in a deadlock, unless something is on its way") {
  auto g = chain({for_(wait_kind::parameters, holder)});
  auto s = worst(g);
  CHECK(s.why == blame::circle);
  CHECK(s.circle.size() == 3);
  CHECK(s.text.find("layer_shard/1/0") != std::string::npos);

  SUBCASE("what is on its way will set them free") {
    g.mail = {{shard, adder, 1, 1ms, 1, 0, false}};
    CHECK(worst(g).why == blame::on_its_way);
    CHECK_FALSE(verdict_of(g).is_held_up());
  }
  SUBCASE("who computes will say something") {
    at(g, shard).state = actor_state::computing;
    at(g, shard).remaining = 3ms;
    CHECK(worst(g).why == blame::computing);
    CHECK(worst(g).who == shard);
    CHECK_FALSE(verdict_of(g).is_held_up());
  }
  SUBCASE("where it is not known what is on its way, they must have been quiet for a while") {
    g.knows_mail = false;
    CHECK(worst(g).why == blame::circle);
    at(g, adder).quiet = 300ms;
    CHECK_FALSE(verdict_of(g).is_held_up());
    at(g, adder).quiet = 3s;
    at(g, adder).unheard = 1;
    CHECK_FALSE(verdict_of(g).is_held_up());
  }
  SUBCASE("a wait whose source is guessed makes no deadlock") {
    at(g, adder).waits.front().guessed = true;
    CHECK_FALSE(verdict_of(g).is_held_up());
  }
}

TEST_CASE("of those who compute, who needs longest is to blame first") {
  auto g = chain({for_(wait_kind::batch, loader)});
  at(g, adder).waits.push_back(
      for_(wait_kind::gradient, {.role = role_kind::layer_shard, .replica = 2}));
  waiting_actor slow{.who = {.role = role_kind::layer_shard, .replica = 2},
                     .state = actor_state::computing,
                     .remaining = 20s};
  g.actors.insert(std::upper_bound(g.actors.begin(),
                                   g.actors.end(),
                                   slow,
                                   [](const auto& a, const auto& b) { return a.who < b.who; }),
                  slow);
  at(g, loader).state = actor_state::computing;
  at(g, loader).remaining = 1ms;
  const auto v = verdict_of(g);
  REQUIRE(v.suspects.size() == 2);
  CHECK(v.suspects[0].who == slow.who);
  CHECK(v.suspects[1].who == loader);
}

TEST_CASE("a job that is over waits for nobody") {
  auto g = chain();
  g.over = true;
  CHECK(verdict_of(g).suspects.empty());
  CHECK(text(g) == "the job is over: nobody waits");
}

TEST_CASE("waits for the same thing are told as one") {
  std::vector<wait> all;
  for (int block = 0; block < 3; ++block)
    for (std::uint32_t m = 0; m < 4; ++m)
      if (m != 2)
        all.push_back({.what = wait_kind::gradient,
                       .from = shard,
                       .step = 7,
                       .block = block,
                       .blocks = 1,
                       .microbatch = m,
                       .microbatches = 1});
  const auto few = joined(all, 100);
  REQUIRE(few.size() == 2);
  CHECK(text(few[0]) ==
        "the gradients of step 7, microbatches 0 and 1, 3 blocks from layer_shard/1/0");
  CHECK(text(few[1]) == "the gradients of step 7, microbatch 3, 3 blocks from layer_shard/1/0");
  CHECK(joined(few, 1).size() == 1);
  CHECK(joined(joined(all, 100), 100) == few);
}

TEST_CASE("a graph is told in as many lines as are wanted, and drawn with who waits for whom") {
  auto g = chain();
  at(g, loader).state = actor_state::handling;
  const auto story = text(g, 12);
  CHECK(story.find("step 3 waits") == 0);
  CHECK(story.find("director               waits for") != std::string::npos);
  CHECK(text(g, 8).find(" more\n") != std::string::npos);
  CHECK(std::count(story.begin(), story.end(), '\n') < 14);
  const auto drawn = graphviz(g);
  CHECK(drawn.find("\"layer_shard/1/0\" -> \"data_loader/1\" [label=\"batch\"]") !=
        std::string::npos);
  CHECK(drawn.find("tomato") != std::string::npos);
  CHECK(graphviz(g, 2).find("and 4 more actors") != std::string::npos);
}

namespace {

// Waits for what it is told to, and says nothing.
class waiter final : public role {
public:
  explicit waiter(std::vector<wait> waits) : waits_(std::move(waits)) {}

  void receive(const message& m) override {
    if (std::holds_alternative<protocol::begin_step>(m))
      throw std::runtime_error("it cannot bear that");
  }

  [[nodiscard]] std::vector<wait> waits() const override { return waits_; }

private:
  std::vector<wait> waits_;
};

struct world_of_waiters {
  explicit world_of_waiters(simulation_model model = {}) {
    world = std::make_unique<simulated_world>(simulated_world_options{
        .model = std::move(model),
        .node_of = [](const address& a) { return static_cast<int>(a.replica); },
        .cost = [](const address&, const work&) { return 1ms; }});
  }

  void add(const address& who, std::vector<wait> waits) {
    tree.root.children.push_back({.id = who.text()});
    world->add(who, [waits](context&) { return std::make_unique<waiter>(waits); });
  }

  std::string play(const std::function<bool()>& ended = [] { return false; }) {
    world->add(supervising, [this](context& c) {
      return std::make_unique<supervisor>(c, supervisor_options{[this] { return tree; }});
    });
    world->start();
    try {
      world->play(ended);
    } catch (const error& e) {
      return e.what();
    }
    return {};
  }

  supervision_tree tree;
  std::unique_ptr<simulated_world> world;
};

} // namespace

TEST_CASE("actors of one's own that wait for each other are told as a deadlock") {
  world_of_waiters w;
  w.add(director, {for_(wait_kind::commit, holder)});
  w.add(holder, {for_(wait_kind::sum, shard)});
  w.add(shard, {for_(wait_kind::parameters, holder)});
  const auto stuck = w.play();
  CHECK(stuck.find("nobody can go on") != std::string::npos);
  CHECK(stuck.find("a deadlock, each waits for the next: ") != std::string::npos);
  const auto s = worst(w.world->waits());
  CHECK(s.why == blame::circle);
  CHECK(std::set<address>(s.circle.begin(), s.circle.end()) == std::set<address>{holder, shard});
}

TEST_CASE("while a supervisor backs off, who is down is to blame, and it is said for how long") {
  world_of_waiters w;
  w.add(director, {for_(wait_kind::batch, loader)});
  w.add(loader, {});
  wait_graph seen;
  int restarts = 0;
  const auto ended = [&] {
    const auto g = w.world->waits();
    const auto* l = g.find(loader);
    if (l->state == actor_state::alive && l->life > static_cast<incarnation>(restarts)) {
      restarts = static_cast<int>(l->life);
      w.world->send(loader, protocol::begin_step{static_cast<std::uint64_t>(restarts)});
    }
    if (l->life >= 3 && l->state == actor_state::down) seen = g;
    return !seen.actors.empty() && seen.find(supervising)->waits.size() == 1;
  };
  CHECK(w.play(ended).empty());
  const auto s = worst(seen);
  CHECK(s.why == blame::down);
  CHECK(s.who == loader);
  CHECK(s.text.find("its supervisor starts it again in ") != std::string::npos);
}
