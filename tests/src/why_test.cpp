// Who waits for whom, in jobs in which it is known who is to blame.
//   TROUPE_WHY_SEEDS=1000   how many pairs of a topology and a culprit are drawn
#include "src/nodes_of_threads.hpp"
#include "src/small_jobs.hpp"
#include "support/chance.hpp"
#include "support/environment.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

struct topology {
  const char* name;
  std::function<wiring()> wired;
};

const std::vector<topology>& topologies() {
  static const std::vector<topology> all{
      {"data parallel", [] { return data_parallel(small_job(8), {.replicas = 4}); }},
      {"data parallel, one holder",
       [] { return data_parallel(small_job(8), {.replicas = 2, .holders = 1}); }},
      {"pipeline", [] { return pipeline(small_job(8), {.stages = 3}); }},
      {"parameter server, synchronous",
       [] {
         return parameter_server(
             small_job(8),
             {.workers = 2, .servers = 2, .order = {.kind = consistency_kind::synchronous}});
       }},
      {"parameter server, bounded",
       [] {
         return parameter_server(small_job(8),
                                 {.workers = 3,
                                  .servers = 2,
                                  .order = {.kind = consistency_kind::bounded, .staleness = 1}});
       }},
      {"hybrid", [] { return hybrid(small_job(8), {.replicas = 2, .stages = 2}); }}};
  return all;
}

simulated_cluster some_cluster(std::uint64_t seed) {
  simulated_cluster out;
  out.model.seed = seed;
  out.model.link = {.latency = 200us, .jitter = 100us, .bytes_per_second = 1e8};
  out.timing_only = true;
  return out;
}

// What is known when nobody can go on, or time is up. Empty: the job came to its end.
std::optional<wait_graph>
graph_at_end(const wiring& w, const simulated_cluster& where, run_options options = {}) {
  options.evaluate = false;
  auto going = where.start(w, std::move(options));
  try {
    going.wait();
    return {};
  } catch (const error& e) {
    CHECK(std::string(e.what()).find(headline(verdict_of(going.why()))) != std::string::npos);
  }
  return going.why();
}

enum class culprit { paused_node, cut_link, slow_actor };

struct drawn_culprit {
  culprit what;
  int node = 0, other = 0;
  address who;
};

drawn_culprit draw(chance& draws, const wiring& w) {
  const auto below = [&](std::size_t n) { return static_cast<int>(draws.below(n)); };
  drawn_culprit out{.what = static_cast<culprit>(below(3))};
  const auto nodes = static_cast<std::size_t>(w.nodes());
  out.node = below(nodes);
  out.other = (out.node + 1 + below(nodes - 1)) % w.nodes();
  const auto shards = w.of(role_kind::layer_shard);
  out.who = shards[static_cast<std::size_t>(below(shards.size()))];
  return out;
}

void commit(simulated_cluster& where,
            run_options& options,
            const drawn_culprit& c,
            std::chrono::nanoseconds when) {
  switch (c.what) {
  case culprit::paused_node:
    where.model.faults.push_back({when, pause_fault{c.node}});
    break;
  case culprit::cut_link:
    where.model.faults.push_back({when, cut_fault{c.node, c.other}});
    break;
  case culprit::slow_actor:
    options.slow = {{c.who, 1e5}};
    where.model.time_max = 30s;
  }
}

bool is_named(const suspect& s, const drawn_culprit& c) {
  switch (c.what) {
  case culprit::paused_node:
    return s.why == blame::paused_node && s.node == static_cast<std::uint32_t>(c.node);
  case culprit::cut_link:
    return s.why == blame::cut_link && s.node == static_cast<std::uint32_t>(c.node) &&
           s.to_node == static_cast<std::uint32_t>(c.other);
  case culprit::slow_actor:
    return s.why == blame::computing && s.who == c.who;
  }
  return false;
}

// From the director, each waits for the next.
void check_path(const wait_graph& g, const suspect& s, const std::string& where) {
  for (std::size_t i = 0; i < s.path.size(); ++i) {
    REQUIRE_MESSAGE(g.find(s.path[i].who) != nullptr, where);
    if (i == 0) CHECK_MESSAGE(s.path[i].who.role == role_kind::director, where);
    if (i > 0) CHECK_MESSAGE(s.path[i - 1].what.from == s.path[i].who, where);
  }
}

} // namespace

TEST_CASE("whoever holds a simulated job up is named, in every topology") {
  const auto pairs =
      static_cast<int>(number_from_environment("TROUPE_WHY_SEEDS", unless_sanitized(100, 20)));
  std::array<int, 3> named{};
  int seed = 0, drawn = 0;
  for (; drawn < pairs && seed < 20 * pairs; ++seed) {
    chance draws(static_cast<std::uint64_t>(seed));
    const auto& t = topologies()[draws.below(topologies().size())];
    const auto w = t.wired();
    auto where = some_cluster(static_cast<std::uint64_t>(seed));
    run_options options;
    const auto c = draw(draws, w);
    commit(where, options, c, std::chrono::microseconds(100 + draws.below(20'000)));
    const auto g = graph_at_end(w, where, std::move(options));
    if (!g) continue; // it harmed nobody
    ++drawn;
    ++named[static_cast<std::size_t>(c.what)];
    const auto v = verdict_of(*g);
    const auto said = fmt::format("seed {}, {}: {} {} {} {}\n{}",
                                  seed,
                                  t.name,
                                  static_cast<int>(c.what),
                                  c.node,
                                  c.other,
                                  c.who.text(),
                                  text(*g));
    REQUIRE_MESSAGE(!v.suspects.empty(), said);
    CHECK_MESSAGE(is_named(v.suspects.front(), c), said);
    check_path(*g, v.suspects.front(), said);
  }
  CHECK(drawn == pairs);
  for (const int n : named)
    CHECK(n > pairs / 10);
}

TEST_CASE("a job that is well is never said to be in a deadlock, whenever it is asked") {
  for (const auto& t : topologies()) {
    CAPTURE(t.name);
    auto where = some_cluster(5);
    run* going = nullptr;
    int asked = 0;
    where.on_message = [&](const heard_message&) {
      const auto v = verdict_of(going->why());
      CHECK_MESSAGE(!v.is_held_up(), headline(v));
      ++asked;
    };
    auto r = where.start(t.wired(), {.evaluate = false});
    going = &r;
    r.wait();
    CHECK(asked > 100);
    CHECK(r.why().over);
  }
}

TEST_CASE("evaluating and saving are waited for by name") {
  auto w = data_parallel(small_job(20), {.replicas = 2}); // more than an epoch
  w.job.data.test = w.job.data.train;
  simulated_cluster where;
  std::set<wait_kind> kinds;
  run* going = nullptr;
  where.on_message = [&](const heard_message&) {
    for (const auto& a : going->why().actors)
      for (const auto& wait : a.waits)
        kinds.insert(wait.what);
  };
  auto r = where.start(w, {.checkpoint_folder = "saved", .checkpoint_every = 2});
  going = &r;
  r.wait();
  for (const auto kind : {wait_kind::evaluation,
                          wait_kind::save,
                          wait_kind::state,
                          wait_kind::cursor,
                          wait_kind::record,
                          wait_kind::batch,
                          wait_kind::parameters,
                          wait_kind::gradient,
                          wait_kind::sum,
                          wait_kind::commit,
                          wait_kind::report})
    CHECK_MESSAGE(kinds.contains(kind), std::string(wait_name(kind)));
}

TEST_CASE("each wait of a job of ours says from whom, and that one plays") {
  std::vector<topology> all = topologies();
  all.push_back({"islands", [] {
                   auto j = small_job(8);
                   j.outer = {.islands = 2, .every = 2};
                   return data_parallel(j, {.replicas = 2});
                 }});
  all.push_back(
      {"copies", [] { return data_parallel(small_job(8), {.replicas = 2, .holder_copies = 2}); }});
  all.push_back(
      {"groups", [] { return data_parallel(small_job(8), {.replicas = 4, .groups = 2}); }});
  all.push_back({"dealt", [] {
                   return data_parallel(small_job(8), {.replicas = 2, .balance_shares = true});
                 }});
  all.push_back(
      {"stashed", [] { return pipeline(small_job(8), {.stages = 3, .stash_weights = true}); }});
  for (const auto& t : all) {
    CAPTURE(t.name);
    const auto w = t.wired();
    auto where = some_cluster(9);
    run* going = nullptr;
    std::uint64_t waits = 0;
    where.on_message = [&](const heard_message&) {
      const auto g = going->why();
      for (const auto& a : g.actors)
        for (const auto& one : a.waits) {
          const auto said = a.who.text() + " waits for " + text(one);
          ++waits;
          CHECK_MESSAGE(one.from.has_value(), said);
          if (one.from) CHECK_MESSAGE(g.find(*one.from) != nullptr, said);
        }
    };
    auto r = where.start(w, {.evaluate = false});
    going = &r;
    r.wait();
    CHECK(waits > 100);
  }
}

TEST_CASE("a live job answers from any thread while it trains, and after it") {
  const auto w = data_parallel(small_job(40), {.replicas = 2});
  auto going = cluster{}.start(w, {.evaluate = false});
  std::atomic<bool> done{false};
  std::vector<wait_graph> seen;
  std::thread asking([&] {
    while (!done)
      seen.push_back(going.why());
  });
  going.wait();
  done = true;
  asking.join();
  CHECK(going.why().over);
  REQUIRE_FALSE(seen.empty());
  for (const auto& g : seen) {
    CHECK(g.actors.size() == w.roles.size());
    if (!g.over) CHECK_FALSE(text(g).empty());
  }
}

TEST_CASE("node 0 asks all nodes of a live job") {
  const nodes_of_threads where{.count = 3, .coordinator = "inproc://why"};
  const auto w = data_parallel(small_job(60), {.replicas = 4});
  auto going = where.start(w, {.evaluate = false});
  const auto began = std::chrono::steady_clock::now();
  const auto g = going.leading.why();
  CHECK(std::chrono::steady_clock::now() - began < 1s);
  CHECK(g.actors.size() == w.roles.size());
  CHECK(g.nodes.empty());
  std::set<std::uint32_t> nodes;
  for (const auto& a : g.actors) {
    nodes.insert(a.node);
    CHECK(a.life >= 1);
  }
  CHECK(nodes.size() == 3);
  going.wait();
}
