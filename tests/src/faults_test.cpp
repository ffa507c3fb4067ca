// Faults that are injected into runs: what goes wrong, and when, in one process, over nodes and
// simulated; the job has the bits of the calm run.
#include "ops/files/checkpoint.hpp"
#include "src/nodes_of_threads.hpp"
#include "src/small_jobs.hpp"
#include "support/deadline.hpp"
#include "support/environment.hpp"
#include "support/error_of.hpp"
#include "support/scratch_folder.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

job brief_job(std::int64_t steps = 12) {
  job out = small_job(steps, 2);
  out.model = sequential(flatten{}, dense{16}, relu{}, dense{10});
  out.augment = {};
  return out;
}

std::vector<injected_fault> faults_of(const std::vector<std::string>& texts) {
  std::vector<injected_fault> out;
  for (const auto& text : texts)
    for (auto& f : parse_injected_faults(text, "a test"))
      out.push_back(std::move(f));
  return out;
}

run_options with(const std::vector<std::string>& texts) {
  return {.evaluate = false, .faults = faults_of(texts)};
}

std::vector<std::string> verbs_of(const std::vector<fault_record>& all) {
  std::vector<std::string> out;
  for (const auto& r : all)
    out.push_back(words_of(r.what).verb);
  return out;
}

simulated_cluster quiet() {
  simulated_cluster out;
  out.model.link = {.latency = 200us};
  return out;
}

} // namespace

TEST_CASE("what is printed of an injected fault is read back") {
  for (const char* said : {"30 ms kill layer_shard/1/0",
                           "step 20 pause 0",
                           "2/s kill any",
                           "kill layer_shard/1/0@step=3,message=2,call=1",
                           "step 3 cut 0->1 for 2000 ms",
                           "drop 0->1 x3"}) {
    const auto all = parse_injected_faults(said, "a test");
    REQUIRE(all.size() == 1);
    CHECK(text(all.front()) == said);
  }
  CHECK(parse_injected_faults("1.5s cut 0-1", "a test").size() == 2);
}

TEST_CASE("an injected fault that is not understood is told") {
  CHECK_ERROR(faults_of({"step pause 0"}), "'step pause 0' is no fault\n  --> a test");
  CHECK_ERROR(faults_of({"30 parsecs pause 0"}), "is no fault");
  CHECK_ERROR(faults_of({"-3 ms pause 0"}), "is no fault");
  CHECK_ERROR(faults_of({"kill"}), "is no fault");
  CHECK_ERROR(faults_of({"2/s dance 1"}), "'dance' is nothing that happens");
}

TEST_CASE("what cannot go wrong in one process is refused before the job starts") {
  const auto w = data_parallel(brief_job(), {.replicas = 2, .holders = 1});
  const auto refused = [&](const char* text) {
    return error_of([&] { (void)cluster{}.start(w, with({text})); });
  };
  CHECK(contains(refused("step 2 cut 0->1"), "a job in one process has no links"));
  CHECK(contains(refused("drop 0->1"), "a job in one process has no links"));
  CHECK(contains(refused("pause 1"), "a job in one process is node 0 alone"));
  CHECK(contains(refused("leave 0"), "is there until its end"));
  CHECK(contains(refused("slow 0 x0.5"), "1 or more"));
  CHECK(contains(refused("step 99 kill any"), "after step 99 nothing can happen"));
  CHECK(contains(refused("5000/s kill any"), "a fault cannot come so often"));
  CHECK(contains(refused("kill any for 2 s"), "'kill any' does not last"));
  CHECK(contains(refused("kill layer_shard/7"), "nobody plays layer_shard/7"));
  CHECK(contains(refused("slow director x2"), "has no kernels to slow down"));
  auto live = cluster{}.start(w, {});
  CHECK_ERROR(live.inject(faults_of({"cut 0->1"}).front()), "has no links");
  live.stop();
}

TEST_CASE("actors that are drawn are killed again and again, and no bit changes") {
  const deadline end(120s, "kills at a rate");
  const auto w = hybrid(brief_job(400), {.replicas = 2, .stages = 2, .holder_copies = 2});
  const auto calm = play_with(w, with({}));
  const auto run = play_with(w, with({fmt::format("{}/s kill any", unless_sanitized(200, 20))}));
  check_same(calm, run);
  CHECK(run.result.faults.size() > 0);
  CHECK(run.result.restarts > 0);
  for (const auto& r : run.result.faults)
    CHECK(std::holds_alternative<kill_fault>(r.what));
}

TEST_CASE("what a fault costs is told with it") {
  const auto w = data_parallel(brief_job(), {.replicas = 2, .holders = 1});
  const auto r = play_with(w, with({"step 2 slow layer_shard/1 x1", "step 6 kill layer_shard/1"}));
  REQUIRE(r.result.faults.size() == 2);
  const auto &harmless = r.result.faults[0], &kill = r.result.faults[1];
  CHECK(harmless.cost.recomputed_ms == 0);
  CHECK(harmless.cost.resent_bytes == 0);
  CHECK_FALSE(harmless.recovery_ms);
  CHECK(kill.cost.resent_bytes > 0); // its successor gets its parameters again
  REQUIRE(kill.detection_ms);
  CHECK(*kill.detection_ms + *kill.recovery_ms <= r.result.seconds * 1e3);
}

TEST_CASE("a kill at a fault point is told like the others, and is the same again") {
  const auto w = data_parallel(brief_job(60), {.replicas = 2, .holders = 1});
  const auto point = parse_fault_point("layer_shard/1/0@step=3,message=4", "a test");
  auto by_option = with({});
  by_option.kills = {point};
  const auto first = play_with(w, by_option).result.faults;
  REQUIRE(first.size() == 1);
  CHECK(text(first[0]) == "kill layer_shard/1/0@step=3,message=4");
  CHECK(first[0].step >= 2); // three are, and it may not be told yet
  CHECK(first[0].recovery_ms);
  CHECK(first[0].next_step_ms);
  bool resent = false; // nothing is, where neither batch nor parameters had come when it died
  for (int run = 0; run < 20 && !resent; ++run)
    resent = play_with(w, by_option).result.faults.at(0).cost.resent_bytes > 0;
  CHECK(resent);
  const auto again_one = again(first[0]);
  CHECK(again_one.point == point);
  const auto second = play_with(w, {.evaluate = false, .faults = {again_one}}).result.faults;
  REQUIRE(second.size() == 1);
  CHECK(text(second[0]) == text(first[0]));
}

TEST_CASE("a death of something else is not told as the one that was planned for a fault point") {
  const auto w = data_parallel(brief_job(), {.replicas = 2, .holders = 1});
  const auto kill = [](const char* point) { return "kill layer_shard/1/0@" + std::string(point); };
  const auto faults = play_on(quiet(),
                              w,
                              with({"step 2 kill node 1",
                                    kill("step=6,message=1"),
                                    kill("message=999999"),
                                    kill("step=4,message=2")}))
                          .result.faults;
  REQUIRE(faults.size() == 3);
  CHECK(text(faults[0]) == "kill node 1");
  CHECK(text(faults[1]) == kill("step=4,message=2"));
  CHECK(text(faults[2]) == kill("step=6,message=1"));
}

TEST_CASE("what is done again is counted, in virtual time as well") {
  const auto w = data_parallel(brief_job(), {.replicas = 2, .holders = 1});
  const auto calm = play_on(quiet(), w, with({"slow 0 x1"})).result.faults;
  REQUIRE(calm.size() == 1);
  CHECK(calm[0].cost.recomputed_ms == 0);
  CHECK(calm[0].cost.resent_bytes == 0);
  bool done_again = false, over = false;
  for (int at = 500; !done_again && !over; at += 50) {
    const auto text = fmt::format("{} us kill layer_shard/1", at);
    const auto faults = play_on(quiet(), w, with({text})).result.faults;
    over = faults.empty();
    done_again = !over && faults[0].cost.recomputed_ms > 0;
  }
  CHECK(done_again);
}

TEST_CASE("a node that is paused goes on with the bits that it would have had") {
  const deadline end(60s, "pausing");
  const auto w = data_parallel(brief_job(), {.replicas = 2});
  const auto calm = play_with(w, with({}));
  const auto run = play_with(w, with({"step 4 pause 0 for 300 ms"}));
  check_same(calm, run);
  CHECK(verbs_of(run.result.faults) == std::vector<std::string>{"pause"});
  REQUIRE(run.result.faults[0].next_step_ms);
  CHECK(*run.result.faults[0].next_step_ms >= 299);
}

TEST_CASE("an actor and a node are slowed down while a job goes, and no bit changes") {
  const auto w = data_parallel(brief_job(), {.replicas = 2});
  const auto calm = play_with(w, with({}));
  check_same(calm, play_with(w, with({"step 2 slow layer_shard/1 x5", "step 6 slow 0 x3"})));
}

TEST_CASE("on a full disk training goes on, and saves again when there is space") {
  const scratch_folder saved;
  const auto w = data_parallel(brief_job(), {.replicas = 1});
  auto options = with({"step 2 fill-disk 0", "step 9 empty-disk 0"});
  options.checkpoint_folder = saved.path();
  options.checkpoint_every = 2;
  std::vector<std::string> said;
  options.observer = [&](const run_event& e) {
    if (const auto* s = std::get_if<saved_event>(&e)) said.push_back(s->problem);
  };
  const auto result = cluster{}.start(w, options).wait();
  CHECK(result.steps == 12);
  CHECK(std::any_of(said.begin(), said.end(), [](const std::string& text) {
    return contains(text, "No space left");
  }));
  CHECK(contains(result.last_checkpoint, "step-00000012"));
  std::vector<std::string> skipped;
  CHECK(newest_checkpoint(saved.path(), skipped) == result.last_checkpoint);
  CHECK(skipped.empty());
}

TEST_CASE("a simulated run has the faults of a live one, and the same ones each time") {
  const auto w = hybrid(brief_job(), {.replicas = 2, .stages = 2, .holder_copies = 2});
  const auto calm = play_on(quiet(), w, with({}));
  const auto stormy = with({"step 2 kill layer_shard/1",
                            "step 3 drop 0->1 x2",
                            "step 4 corrupt 1->0 x2",
                            "step 5 pause 1 for 30 ms",
                            "400/s kill any"});
  const auto one = play_on(quiet(), w, stormy), two = play_on(quiet(), w, stormy);
  check_same(calm, one);
  CHECK(one.result.simulation->trace_hash == two.result.simulation->trace_hash);
  CHECK(one.result.faults.size() == two.result.faults.size());
  CHECK(one.result.faults.size() > 5);
}

TEST_CASE("frames that a simulated link loses on purpose are sent again") {
  const auto w = data_parallel(brief_job(), {.replicas = 2});
  const auto resent = [&](const std::vector<std::string>& faults) {
    std::uint64_t out = 0;
    const auto run = play_on(quiet(), w, with(faults));
    for (const auto& link : run.result.simulation->links)
      if (link.from == 0 && link.to == 1) out += link.resent;
    return out;
  };
  CHECK(resent({}) == 0);
  CHECK(resent({"step 2 drop 0->1 x3"}) == 3);
  CHECK(resent({"step 2 corrupt 0->1 x2"}) == 2);
}

TEST_CASE("what cannot go wrong in a simulation by a step is refused") {
  const auto w = data_parallel(brief_job(), {.replicas = 2});
  CHECK_ERROR(play_on(quiet(), w, with({"step 2 leave 1"})), "by an event of its scenario");
  CHECK_ERROR(play_on(quiet(), w, with({"step 2 pause 7"})), "there is no node 7");
  CHECK_ERROR(play_on(quiet(), w, with({"step 2 cut 1->1"})), "no link to itself");
}

TEST_CASE("links and nodes of a job over several nodes go wrong on purpose, and no bit changes") {
  const deadline end(120s, "faults over nodes");
  auto j = brief_job();
  j.microbatches = 4;
  const auto w = hybrid(j, {.replicas = 4, .stages = 1, .holders = 1});
  const auto calm = play_with(w, with({}));
  int run_number = 0;
  const auto play = [&](const std::vector<std::string>& faults) {
    return play_on(nodes_of_threads{.count = 3,
                                    .coordinator = fmt::format("inproc://faults-{}", ++run_number)},
                   w,
                   with(faults));
  };
  for (const std::vector<std::string>& faults :
       {std::vector<std::string>{
            "step 3 drop 0->1 x2", "step 5 corrupt 1->0 x2", "step 7 drop 2->1"},
        {"step 3 kill node 2", "step 6 kill layer_shard/1"},
        {"step 3 pause 1 for 300 ms"},
        {"step 3 slow 2 x4", "step 5 slow layer_shard/1 x3"},
        {"step 3 cut 0-1 for 2 s"},
        {"step 3 cut node 2 for 2 s"}}) {
    CAPTURE(faults.front());
    const auto run = play(faults);
    check_same(calm, run);
    CHECK(run.result.faults.size() >= faults.size());
  }
}

TEST_CASE("a fault that is injected by hand into a live run happens at once") {
  auto j = brief_job(2000);
  const auto w = data_parallel(j, {.replicas = 2});
  std::atomic<int> injected{0};
  std::atomic<bool> began{false};
  auto live = cluster{}.start(w, {.evaluate = false, .observer = [&](const run_event& e) {
                                    if (std::holds_alternative<step_event>(e)) began = true;
                                    if (std::holds_alternative<injection_event>(e)) ++injected;
                                  }});
  while (!began)
    std::this_thread::sleep_for(1ms);
  live.inject(faults_of({"kill layer_shard/1"}).front());
  live.inject(faults_of({"kill any"}).front());
  CHECK(injected == 2);
  live.stop();
  const auto result = live.wait();
  REQUIRE(result.faults.size() == 2);
  CHECK(text(result.faults.front().what) == "kill layer_shard/1/0");
}
