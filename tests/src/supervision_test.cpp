// The supervisor of a job may die, whenever it is and whoever dies with it: no bit changes.
#include "src/killed_jobs.hpp"
#include "src/nodes_of_threads.hpp"
#include "support/deadline.hpp"
#include "support/error_of.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <set>
#include <string>
#include <vector>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

const address supervising{.role = role_kind::supervisor};
const address shard{.role = role_kind::layer_shard, .replica = 1};

std::vector<named_wiring> every_topology(const job& j) {
  return {{"data parallel", data_parallel(j, {.replicas = 2})},
          {"in groups", data_parallel(j, {.replicas = 4, .groups = 2})},
          {"pipeline", pipeline(j, {.stages = 2})},
          {"hybrid", hybrid(j, {.replicas = 2, .stages = 2})},
          {"parameter server", parameter_server(j, {.workers = 2, .servers = 2, .order = {}})},
          {"islands", data_parallel(with_islands(j), {.replicas = 2})}};
}

// The root restarts all for one; who holds state that nobody else has is beside it.
supervision_tree together(const wiring& w, strategy_kind strategy) {
  supervision_tree out = default_supervision(w);
  for (child_spec& c : out.root.children) {
    auto changed = *c.below;
    if (c.id.starts_with("replica")) changed.strategy = strategy;
    c.below = std::make_shared<const supervisor_spec>(changed);
  }
  return out;
}

} // namespace

TEST_CASE("a supervisor killed at any message of a job changes no bit, under every topology") {
  for (const auto& [name, w] : every_topology(brief_job(3))) {
    CAPTURE(name);
    const auto calm = play_on(quiet(), w, {.evaluate = false});
    const auto moments = moments_of(w, quiet(), {.evaluate = false});
    REQUIRE(moments.size() > 20);
    const auto stride = std::max<std::size_t>(1, moments.size() / 60);
    for (std::size_t m = 0; m < moments.size(); m += stride) {
      auto where = quiet();
      where.model.faults = {{moments[m], kill_fault{supervising}}};
      const auto run = play_on(where, w, {.evaluate = false});
      CAPTURE(moments[m].count());
      check_same(calm, run);
      CHECK(run.result.restarts <= 1); // at the very end nobody is told any more
    }
  }
}

TEST_CASE("a supervisor killed while it restarts another changes no bit, and both come back") {
  for (const auto& [name, w] : every_topology(brief_job(3))) {
    CAPTURE(name);
    const auto calm = play_on(quiet(), w, {.evaluate = false});
    const auto moments = moments_of(w, quiet(), {.evaluate = false});
    const address victim = w.of(role_kind::layer_shard).back();
    const auto death = moments[moments.size() / 3];
    for (const auto after :
         {-100us, 0us, 1us, 2us, 100us, 199us, 200us, 201us, 250us, 260us, 500us}) {
      auto where = quiet();
      where.model.faults = {{death, kill_fault{victim}}, {death + after, kill_fault{supervising}}};
      CAPTURE(after.count());
      const auto run = play_on(where, w, {.evaluate = false});
      check_same(calm, run);
      const auto told = [&](const address& who) {
        return std::count_if(run.faults.begin(), run.faults.end(), [&](const fault_event& f) {
          return f.who == who && f.now == 2;
        });
      };
      CHECK(told(victim) == 1);
      CHECK(told(supervising) == 1);
    }
  }
}

TEST_CASE("a replica that is restarted as a whole changes no bit, whichever of it dies") {
  const auto w = hybrid(brief_job(3), {.replicas = 2, .stages = 2, .holders = 1});
  const auto calm = play_on(quiet(), w, {.evaluate = false});
  const auto moments = moments_of(w, quiet(), {.evaluate = false});
  for (const auto strategy : {strategy_kind::one_for_all, strategy_kind::rest_for_one})
    for (const auto& who : w.of(role_kind::layer_shard))
      for (const auto share : {4, 3, 2}) {
        auto where = quiet();
        const auto when = moments[moments.size() / static_cast<std::size_t>(share)];
        where.model.faults = {{when, kill_fault{who}}, {when + 210us, kill_fault{supervising}}};
        const auto run =
            play_on(where, w, {.evaluate = false, .supervision = together(w, strategy)});
        check_same(calm, run);
        if (strategy == strategy_kind::one_for_all) CHECK(run.result.restarts >= 4);
      }
}

TEST_CASE("a live job whose supervisor and shards are killed again and again has the same bits") {
  const auto j = small_job(30);
  const auto w = data_parallel(j, {.replicas = 2});
  const auto calm = play(w);
  std::atomic<run*> running{nullptr};
  std::vector<std::uint64_t> digests;
  int told = 0;
  auto going = cluster{}.start(w, {.evaluate = false, .observer = [&](const run_event& e) {
                                     if (const auto* f = std::get_if<fault_event>(&e); f != nullptr)
                                       told += f->who == supervising ? 1 : 0;
                                     const auto* s = std::get_if<step_event>(&e);
                                     if (s == nullptr) return;
                                     digests.push_back(s->digest);
                                     auto* r = running.load();
                                     if (r == nullptr) return;
                                     r->kill(supervising);
                                     if (s->step % 3 == 0) r->kill(shard);
                                   }});
  running = &going;
  going.wait();
  running = nullptr;
  CHECK(digests == calm.digests);
  CHECK(told > 5);
}

TEST_CASE("a supervisor of several nodes that is killed again and again changes no bit") {
  const deadline end(120s, "supervisors of several nodes");
  const auto w = data_parallel(small_job(20), {.replicas = 4, .holders = 1});
  const auto calm = play(w);
  const nodes_of_threads nodes{.count = 3, .coordinator = "inproc://killed-supervisors"};
  std::atomic<int> told = 0;
  std::vector<std::uint64_t> digests;
  std::atomic<run*> running{nullptr};
  auto going = nodes.start(
      w, {.evaluate = false, .observer = [&](const run_event& e) {
            if (const auto* f = std::get_if<fault_event>(&e); f != nullptr && f->who == supervising)
              ++told;
            const auto* s = std::get_if<step_event>(&e);
            if (s == nullptr) return;
            digests.push_back(s->digest);
            if (auto* r = running.load(); r != nullptr) {
              r->kill(supervising);
              r->kill(s->step % 2 == 0 ? shard
                                       : address{.role = role_kind::data_loader, .replica = 2});
            }
          }});
  running = &going.leading;
  going.wait();
  running = nullptr;
  CHECK(digests == calm.digests);
  CHECK(told >= 3);
}

TEST_CASE("a node with the supervisor that dies, or goes and comes back, changes no bit") {
  for (const auto& [name, wired] : every_topology(brief_job(3))) {
    CAPTURE(name);
    auto w = wired;
    const int own = w.nodes();
    for (wired_role& r : w.roles)
      if (r.where.role == role_kind::supervisor || r.where.role == role_kind::checkpointer)
        r.node = own;
    const auto calm = play_on(quiet(), w, {.evaluate = false});
    const auto moments = moments_of(w, quiet(), {.evaluate = false});
    const address victim = w.of(role_kind::layer_shard).back();
    for (std::size_t m = 1; m < moments.size();
         m += std::max<std::size_t>(1, moments.size() / 12)) {
      const auto when = moments[m];
      CAPTURE(when.count());
      auto dies = quiet();
      dies.model.faults = {{when, kill_fault{victim}}, {when + 200us, kill_node_fault{own}}};
      check_same(calm, play_on(dies, w, {.evaluate = false}));
      auto goes = quiet();
      goes.model.faults = {{when, kill_fault{victim}},
                           {when + 199us, leave_fault{own}},
                           {when + 900us, join_fault{own}}};
      check_same(calm, play_on(goes, w, {.evaluate = false}));
    }
  }
}

TEST_CASE("a supervision tree that does not fit its wiring is refused, with all that is wrong") {
  const auto w = data_parallel(brief_job(3), {.replicas = 2});
  auto tree = default_supervision(w);
  CHECK(mistakes_of(tree, w).empty());
  tree.root.children.pop_back();
  tree.root.children.push_back({.id = "layer_shad/1/0"});
  tree.root.children.push_back({.id = "layer_shard/7"});
  CHECK_ERROR(cluster{}.start(w, {.supervision = tree}), "nobody plays layer_shad/1/0");
  CHECK_ERROR(cluster{}.start(w, {.supervision = tree}), "did you mean layer_shard/1/0?");
  CHECK_ERROR(cluster{}.start(w, {.supervision = tree}), "nobody supervises data_loader/1 (");
}

TEST_CASE("a supervisor cannot be killed at a step, for it hears of none") {
  const auto w = data_parallel(brief_job(3), {.replicas = 2});
  CHECK_ERROR(play(w, {{supervising, 1, 1}}), "a supervisor has no steps");
}
