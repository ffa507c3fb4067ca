// Dials: what is set while a job runs changes no bit of a synchronous one and breaks no bound of
// any, and what was used of each edge's credit is told.
#include "src/small_jobs.hpp"
#include "support/error_of.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <thread>

using namespace troupe;
using namespace troupe::test;

namespace {

using enum credit_kind;

constexpr consistency ssp(std::uint64_t bound) {
  return {.kind = consistency_kind::bounded, .staleness = bound};
}

address shard(int replica, int stage) {
  return {.role = role_kind::layer_shard,
          .replica = static_cast<std::uint32_t>(replica),
          .stage = static_cast<std::uint16_t>(stage)};
}

void check_kept(const log_of_run& r) {
  CHECK_FALSE(r.result.credit.empty());
  for (const auto& use : r.result.credit) {
    CAPTURE(table({use}));
    CHECK(use.kept());
  }
}

// The most of an edge kind that was used under a bound; -1: the bound was not in force.
std::int64_t used(const log_of_run& r, credit_kind kind, std::uint64_t bound) {
  std::int64_t out = -1;
  for (const auto& use : r.result.credit)
    if (use.kind == kind && use.bound == bound) out = std::max(out, std::int64_t(use.used));
  return out;
}

log_of_run dialled(const wiring& w, std::vector<dial> dials, std::vector<planned_kill> kills = {}) {
  return play(w, std::move(kills), 0, {}, std::move(dials));
}

} // namespace

TEST_CASE("dials change no bit of a synchronous job, under any schedule") {
  const auto j = small_job(8, 8);
  const auto calm = play(data_parallel(j));
  for (const char* schedule : {"gpipe", "1f1b", "interleaved", "zero-bubble"})
    for (const bool recompute : {false, true}) {
      CAPTURE(schedule);
      CAPTURE(recompute);
      const auto w = hybrid(j,
                            {.replicas = 2,
                             .stages = 2,
                             .schedule = schedule,
                             .chunks = schedule == std::string("interleaved") ? 2 : 1,
                             .recompute = recompute});
      const auto r = dialled(w,
                             {{depth, {}, 1, 0},
                              {prefetch, {}, 5, 1},
                              {depth, shard(0, 0), 2, 3},
                              {prefetch, shard(1, 1), 0, 4},
                              {depth, {}, 2, 5},
                              {depth, shard(1, 1), 1, 6}});
      check_same(calm, r);
      check_kept(r);
      CHECK(used(r, depth, 1) == 1);
    }
}

TEST_CASE("a lower depth keeps fewer microbatches in flight, from its step on") {
  const auto j = small_job(6, 4);
  const auto w = pipeline(j, {.stages = 2, .schedule = "gpipe"});
  const auto calm = play(w);
  CHECK(used(calm, depth, 4) == 4);
  CHECK(used(calm, depth, 1) == -1);
  const auto low = dialled(w, {{depth, {}, 1, 0}});
  CHECK(used(low, depth, 1) == 1);
  CHECK(used(low, depth, 4) == -1);
  const auto both = dialled(w, {{depth, {}, 2, 3}});
  CHECK(used(both, depth, 4) == 4);
  CHECK(used(both, depth, 2) == 2);
  check_same(calm, low);
  check_same(calm, both);
}

TEST_CASE(
    "actors killed at any message while dials change: the same bits, and the dial as it was") {
  const auto j = small_job(6);
  const auto w = pipeline(j, {.stages = 3, .schedule = "zero-bubble"});
  const auto calm = play(w);
  for (const auto& who :
       {shard(0, 0), shard(0, 1), shard(0, 2), address{.role = role_kind::data_loader}})
    for (int message = 1; message <= 12; ++message) {
      CAPTURE(who.text());
      CAPTURE(message);
      const auto r = dialled(w,
                             {{depth, {}, 1, 0}, {prefetch, {}, 3, 2}, {prefetch, {}, 0, 3}},
                             {{who, 2, message}, {who, 3, message}, {who, 4, 1}});
      check_same(calm, r);
      check_kept(r);
      CHECK(used(r, depth, 1) == 1);
      for (const std::uint64_t more : {2, 3, 4}) // nobody came back with the schedule's depth
        CHECK(used(r, depth, more) == -1);
    }
}

TEST_CASE(
    "a bound that is lowered while workers run is kept by every read, and no update is lost") {
  auto j = small_job(120, 2);
  j.data = load_data("synthetic:4096", 3); // no worker waits at an epoch's end
  const auto w = parameter_server(j, {.workers = 2, .servers = 2, .order = ssp(16)});
  std::vector<step_event> steps;
  const auto r = cluster{2}
                     .start(w,
                            {.evaluate = false,
                             .kills = {{shard(1, 0), 31, 2}, {shard(0, 0), 60, 3}},
                             .slow = {{shard(1, 0), 10}},
                             .dials = {{staleness, {}, 1, 40}, {staleness, {}, 6, 80}},
                             .observer =
                                 [&](const run_event& e) {
                                   if (const auto* s = std::get_if<step_event>(&e))
                                     steps.push_back(*s);
                                 }})
                     .wait();
  CHECK(r.steps == 120);
  CHECK(r.staleness.count == 120);
  CHECK(r.restarts == 2);
  REQUIRE(steps.size() == 120);
  for (const auto& s : steps)
    CHECK(s.lead <= s.lead_bound);
  log_of_run log;
  log.result = r;
  check_kept(log);
  CHECK(used(log, staleness, 16) > 1);
  CHECK(used(log, staleness, 1) <= 1);
  CHECK(used(log, staleness, 1) >= 0);
  CHECK(used(log, staleness, 6) >= 0);
  // Reads before the dial were answered under 16; those of the last steps under 6.
  CHECK(steps.front().lead_bound == 16);
  CHECK(steps.back().lead_bound == 6);
}

TEST_CASE("an asynchronous job gets a bound while it runs") {
  auto j = small_job(60, 2);
  j.data = load_data("synthetic:2048", 3);
  const auto w =
      parameter_server(j, {.workers = 2, .order = {.kind = consistency_kind::asynchronous}});
  const auto r = play(w, {}, 2, {{shard(1, 0), 10}}, {{staleness, {}, 0, 20}});
  check_kept(r);
  CHECK(used(r, staleness, no_bound) >= 0);
  CHECK(used(r, staleness, 0) == 0);
}

TEST_CASE("dials are set from another thread at any time, with kills, and change no bit") {
  const auto j = small_job(80);
  const auto w = hybrid(j, {.replicas = 2, .stages = 2, .schedule = "gpipe"});
  const auto calm = play(w);
  log_of_run out;
  auto live = cluster{}.start(w, {.evaluate = false, .observer = [&](const run_event& e) {
                                    if (const auto* s = std::get_if<step_event>(&e)) {
                                      out.digests.push_back(s->digest);
                                      out.losses.push_back(s->loss);
                                    }
                                  }});
  std::atomic<bool> over{false};
  std::thread hand([&] {
    for (std::uint64_t i = 0; !over; ++i) {
      live.set({depth, {}, 1 + i % 2});
      live.set({prefetch, shard(int(i % 2), 0), i % 5});
      if (i % 4 == 3 && i < 24) live.kill(shard(int(i / 4 % 2), 1)); // more, and they back off
      std::this_thread::sleep_for(std::chrono::milliseconds(3));
    }
  });
  out.result = live.wait();
  over = true;
  hand.join();
  check_same(calm, out);
  check_kept(out);
}

TEST_CASE("a dial that cannot be set is refused before anything is spawned, with what can be") {
  const auto j = small_job(10);
  const auto piped = pipeline(j, {.stages = 3});
  const auto start = [](const wiring& w, const dial& d) { dialled(w, {d}); };
  CHECK_ERROR(start(piped, {depth, {}, 0}), "a depth of 0 lets no microbatch through");
  CHECK_ERROR(start(piped, {depth, {}, 4}), "programs are there for 3 in flight");
  CHECK_ERROR(start(piped, {depth, shard(0, 2), 2}), "use 1 to 1");
  CHECK_ERROR(start(piped, {depth, shard(0, 3), 1}), "nobody plays layer_shard/0/3");
  CHECK_ERROR(start(piped, {prefetch, shard(0, 1), 2}), "layer_shard/0/1 holds no credit for");
  CHECK_ERROR(start(piped, {prefetch, {}, 65}), "use 0 to 64");
  CHECK_ERROR(start(piped, {prefetch, {}, 2, 10}), "step 10 is not a step of this job");
  CHECK_ERROR(start(piped, {staleness, {}, 2}), "--consistency ssp:4");
  const auto stashing = pipeline(small_job(10, 1), {.stages = 2, .stash_weights = true});
  CHECK_ERROR(start(stashing, {depth, {}, 1}), "it is part of the result");
  const auto server = parameter_server(j, {.workers = 2, .order = ssp(2)});
  CHECK_ERROR(start(server, {staleness, shard(1, 0), 2}), "staleness is held by parameter_holder");
  auto twisted = pipeline(small_job(10, 2), {.stages = 2, .schedule = "gpipe"});
  for (auto& role : twisted.roles)
    if (role.where == shard(0, 1)) std::swap(role.schedule[0], role.schedule[1]);
  REQUIRE(mistakes_of(twisted).empty());
  CHECK_ERROR(start(twisted, {depth, {}, 1}), "part 1 in the order 1 0");
  auto live = cluster{}.start(piped, {.evaluate = false});
  CHECK_ERROR(live.set({depth, {}, 9}), "more than the schedule keeps");
  live.wait();
  live.set({depth, {}, 1}); // nobody hears it any more
}

TEST_CASE("a wiring says the credit with which its edges begin") {
  const auto j = small_job(10);
  CHECK(credit_text(data_parallel(j)) == "prefetch 1, depth 1");
  CHECK(credit_text(pipeline(j, {.stages = 3})) == "prefetch 1, depth 1 to 3");
  CHECK(credit_text(parameter_server(j, {.workers = 2, .order = ssp(4)})) ==
        "prefetch 1, depth 1, staleness 4");
  CHECK(credit_text(parameter_server(j, {.workers = 2})) ==
        "prefetch 1, depth 1, staleness unbounded");
  CHECK(pipeline(j, {.stages = 3}).text().find("\n  credit: prefetch 1, depth 1 to 3\n") !=
        std::string::npos);
}

TEST_CASE("the table of what was used is in order, and says what was not kept") {
  std::vector<credit_use> all;
  const address holder{.role = role_kind::parameter_holder};
  add(all, {staleness, holder, shard(0, 0), 2, 3});
  add(all, {staleness, holder, shard(0, 0), no_bound, 7});
  add(all, {depth, shard(0, 0), shard(0, 1), 2, 1});
  add(all, {depth, shard(0, 0), shard(0, 1), 2, 2});
  add(all, {depth, shard(0, 0), shard(0, 1), 2, 1});
  CHECK(table(all) ==
        "credit    from                  to                      bound  most used\n"
        "depth     layer_shard/0/0       layer_shard/0/1             2          2\n"
        "staleness parameter_holder/0    layer_shard/0/0             2          3  NOT KEPT\n"
        "staleness parameter_holder/0    layer_shard/0/0          none          7\n");
}
