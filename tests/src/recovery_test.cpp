// Who knows what nobody else knows may die as well: the director goes on where the record ends, the
// recorder has a log that outlives it, and where state is lost with all of its copies a synchronous
// job goes back and computes the same again.
#include "src/killed_jobs.hpp"
#include "support/error_of.hpp"
#include "support/scratch_folder.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <set>
#include <string>
#include <thread>
#include <vector>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

const address directing{.role = role_kind::director};
const address recording{.role = role_kind::recorder};
const address supervising{.role = role_kind::supervisor};
const address shard{.role = role_kind::layer_shard};
const address holder{.role = role_kind::parameter_holder};

// Two epochs, each of which is evaluated.
job evaluated_job() {
  job out = brief_job(4);
  out.data = load_data("synthetic:64", 3);
  return out;
}

std::vector<named_wiring> every_synchronous_topology(const job& j) {
  auto compressed = j;
  compressed.compression = make_codec("top-k 0.25");
  return {{"data parallel", data_parallel(j, {.replicas = 2})},
          {"in groups", data_parallel(j, {.replicas = 4, .groups = 2})},
          {"dealt", data_parallel(j, {.replicas = 2, .balance_shares = true})},
          {"pipeline", pipeline(j, {.stages = 2})},
          {"hybrid", hybrid(j, {.replicas = 2, .stages = 2})},
          {"compressed", data_parallel(compressed, {.replicas = 2})},
          {"islands", data_parallel(with_islands(j), {.replicas = 2})}};
}

void check_all_same(const log_of_run& a, const log_of_run& b) {
  check_same(a, b);
  REQUIRE(a.epochs.size() == b.epochs.size());
  for (std::size_t e = 0; e < a.epochs.size(); ++e) {
    CHECK(a.epochs[e].test_loss == b.epochs[e].test_loss);
    CHECK(a.epochs[e].train_loss == b.epochs[e].train_loss);
  }
}

// All of them at once, at so many moments of the run.
void kill_together(const std::vector<address>& whom, std::size_t times) {
  for (const auto& [name, w] : every_synchronous_topology(evaluated_job())) {
    CAPTURE(name);
    const auto calm = play_on(quiet(), w, {});
    const auto moments = moments_of(w, quiet(), {});
    REQUIRE(moments.size() > 20);
    const auto stride = std::max<std::size_t>(1, moments.size() / times);
    for (std::size_t m = 0; m < moments.size(); m += stride) {
      auto where = quiet();
      for (const auto& who : whom)
        where.model.faults.push_back({moments[m], kill_fault{who}});
      CAPTURE(moments[m].count());
      check_all_same(calm, play_on(where, w, {}));
    }
  }
}

std::vector<rollback_event> rollbacks_of(const wiring& w, run_options options) {
  std::vector<rollback_event> out;
  options.observer = [&](const run_event& e) {
    if (const auto* back = std::get_if<rollback_event>(&e)) out.push_back(*back);
  };
  cluster{}.start(w, std::move(options)).wait();
  return out;
}

} // namespace

TEST_CASE("a director killed at any message of a job changes no bit, under every topology") {
  kill_together({directing}, 60);
}

TEST_CASE("a recorder killed at any message of a job changes no bit, under every topology") {
  kill_together({recording}, 40);
}

TEST_CASE("a holder without copies killed at any message of a job changes no bit") {
  kill_together({holder}, 30);
}

TEST_CASE("who keeps books may die at the same moment as others") {
  kill_together({directing, recording}, 20);
  kill_together({directing, supervising}, 20);
  kill_together({directing, shard}, 30);
  kill_together({holder, directing, recording, supervising}, 20);
}

TEST_CASE("killing director, recorder and holder of a live job changes no bit") {
  const auto w = hybrid(evaluated_job(), {.replicas = 2, .stages = 2});
  const auto calm = play_with(w, {});
  for (const auto& who : {directing, recording, holder}) {
    CAPTURE(who.text());
    const auto run = play_with(w, {.kills = {{who, 1, 2}, {who, 2, 1}}});
    check_all_same(calm, run);
    CHECK(run.result.rollbacks == (who == holder ? 2 : 0));
  }
}

TEST_CASE("a job whose holder dies goes back to the newest checkpoint that can be read") {
  const scratch_folder saved;
  const auto w = data_parallel(evaluated_job(), {.replicas = 2, .holders = 1});
  const auto calm = play_with(w, {});
  const run_options disturbed{
      .checkpoint_folder = saved.path(), .checkpoint_every = 1, .kills = {{holder, 3, 1}}};
  const auto backs = rollbacks_of(w, disturbed);
  REQUIRE(backs.size() == 1);
  CHECK((backs[0].to == 2 || backs[0].to == 3)); // that one may be on its way to the disk
  CHECK(backs[0].checkpoint == saved.file(fmt::format("step-{:08}", backs[0].to)));
  CHECK(backs[0].reason == "what parameter_holder/0 knew is lost");
  check_same(calm, play_with(w, disturbed));
}

TEST_CASE("an asynchronous job does not go back behind what workers were told") {
  const auto w = parameter_server(
      evaluated_job(),
      {.workers = 2, .servers = 1, .order = {.kind = consistency_kind::asynchronous}});
  auto where = quiet();
  where.model.faults = {{1ms, kill_fault{holder}}};
  CHECK_ERROR(play_on(where, w, {}), "parameter_holder/0 has no copy");
  auto live = cluster{}.start(w, {});
  live.kill(holder);
  const auto failed = error_of([&] { live.wait(); });
  CHECK(contains(failed, "what parameter_holder/0 knew is lost"));
  CHECK(contains(failed, "--resume"));
}

TEST_CASE("a job that goes back again and again without a step between fails") {
  const auto w = data_parallel(evaluated_job(), {.replicas = 2, .holders = 1});
  std::vector<planned_kill> kills(2000, planned_kill{holder, 0, 1});
  CHECK_ERROR(play_on(quiet(), w, {.kills = kills}), "what parameter_holder/0 knew is lost");
}

TEST_CASE("a job that is told to stop while its director is dead stops") {
  auto j = evaluated_job();
  j.steps = 2000;
  const auto w = data_parallel(j, {.replicas = 2});
  std::atomic<bool> began{false};
  auto live = cluster{}.start(w, {.evaluate = false, .observer = [&](const run_event& e) {
                                    if (std::holds_alternative<step_event>(e)) began = true;
                                  }});
  while (!began)
    std::this_thread::sleep_for(1ms);
  for (int times = 0; times < 5; ++times)
    live.kill(directing);
  live.stop();
  live.kill(directing);
  CHECK(live.wait().interrupted);
}
