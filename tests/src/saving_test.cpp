// A job is saved while it goes on: whoever dies meanwhile, and whatever the disk does, no bit of
// training changes, and what is said to be saved can be resumed from under any wiring.
#include "ops/files/atomic_file.hpp"
#include "ops/files/checkpoint.hpp"
#include "ops/files/sharded_checkpoint.hpp"
#include "src/nodes_of_threads.hpp"
#include "src/small_jobs.hpp"
#include "support/error_of.hpp"
#include "support/scratch_folder.hpp"
#include "troupe/starting_state.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
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
const address saving{.role = role_kind::checkpointer};
const address supervising{.role = role_kind::supervisor};
const address keeping{.role = role_kind::residual_keeper};
const address holder{.role = role_kind::parameter_holder};
const std::string folder = "/checkpoints";

// Two epochs.
job brief_job() {
  job out = small_job(4);
  out.model = sequential(flatten{}, dense{16}, relu{}, dense{10});
  out.augment = {};
  out.data = load_data("synthetic:64", 3);
  return out;
}

struct named_wiring {
  const char* name;
  wiring w;
  std::vector<address> also = {}; // who may be killed, besides those of all wirings
};

std::vector<named_wiring> some_topologies() {
  const auto j = brief_job();
  auto islands = j, compressed = j;
  islands.outer = {.islands = 2, .every = 2};
  compressed.compression = make_codec("top-k 0.25");
  return {{"copies of holders", hybrid(j, {.replicas = 2, .holder_copies = 2}), {holder}},
          {"pipeline", pipeline(j, {.stages = 2})},
          {"residuals", data_parallel(compressed, {.replicas = 2}), {keeping}},
          {"islands", data_parallel(islands, {.replicas = 2})}};
}

run_options saves_every(std::int64_t steps) {
  return {.checkpoint_folder = folder, .checkpoint_every = steps, .checkpoints_kept = 100};
}

simulated_cluster quiet(std::shared_ptr<memory_disk> files) {
  simulated_cluster out;
  out.model.seed = 3;
  out.model.link = {.latency = 200us};
  out.files = std::move(files);
  return out;
}

std::vector<std::chrono::nanoseconds> moments_of(const wiring& w) {
  std::set<std::chrono::nanoseconds> out;
  auto where = quiet(std::make_shared<memory_disk>());
  where.on_message = [&](const heard_message& m) { out.insert(m.when); };
  play_on(where, w, saves_every(1));
  return {out.begin(), out.end()};
}

// As files of the machine, to read them as a user would.
void copy_to(const scratch_folder& here, const memory_disk& files) {
  for (const auto& [path, bytes] : files.files()) {
    const std::filesystem::path at = here.path() + path.substr(folder.size());
    std::filesystem::create_directories(at.parent_path());
    here.write(at.lexically_relative(here.path()).string(), bytes);
  }
}

bool is_told(const log_of_run& run, std::int64_t step, bool good) {
  return std::any_of(run.saves.begin(), run.saves.end(), [&](const saved_event& e) {
    return e.step == step && e.problem.empty() == good;
  });
}

// Each manifest has all its shards, of one version; what was told is true; the end is saved.
void check_saves(const log_of_run& run, const memory_disk& files, const wiring& w) {
  const scratch_folder here;
  copy_to(here, files);
  for (std::int64_t step = 1; step <= w.job.total_steps(); ++step) {
    CAPTURE(step);
    const auto path = here.file(fmt::format("step-{:08}", step));
    const bool whole = !manifest_of(path).empty();
    CHECK(whole == is_told(run, step, true));
    CHECK((whole || is_told(run, step, false)));
    if (!whole) continue;
    const auto found = read_checkpoint(path, run.result.layout);
    CHECK(found.step == static_cast<std::uint64_t>(step));
    if (w.job.outer.islands == 0)
      CHECK(parameter_digest(run.result.layout, found.parameters) ==
            run.digests[static_cast<std::size_t>(step - 1)]);
  }
  CHECK(is_told(run, w.job.total_steps(), true));
  for (const auto& [path, bytes] : files.files())
    CHECK_FALSE(path.ends_with(".tmp"));
}

void kill_while_it_saves(const std::vector<address>& whom, std::size_t times) {
  for (const auto& [name, w, also] : some_topologies()) {
    auto killed = whom;
    if (killed.empty()) killed = also;
    if (killed.empty()) continue;
    CAPTURE(name);
    const auto files = std::make_shared<memory_disk>();
    const auto calm = play_on(quiet(files), w, saves_every(1));
    check_saves(calm, *files, w);
    const auto moments = moments_of(w);
    const auto stride = std::max<std::size_t>(1, moments.size() / times);
    for (std::size_t m = 0; m < moments.size(); m += stride) {
      const auto disk_here = std::make_shared<memory_disk>();
      auto where = quiet(disk_here);
      for (const auto& who : killed)
        where.model.faults.push_back({moments[m], kill_fault{who}});
      CAPTURE(moments[m].count());
      const auto run = play_on(where, w, saves_every(1));
      check_same(calm, run);
      check_saves(run, *disk_here, w);
    }
  }
}

} // namespace

TEST_CASE("saving at every step changes no bit, and each checkpoint has the bits of its step") {
  for (const auto& [name, w, also] : some_topologies()) {
    CAPTURE(name);
    const auto files = std::make_shared<memory_disk>();
    const auto calm = play_on(quiet(std::make_shared<memory_disk>()), w, {});
    const auto saved = play_on(quiet(files), w, saves_every(1));
    check_same(calm, saved);
    check_saves(saved, *files, w);
    for (const auto& e : saved.saves)
      CHECK(e.problem == "");
  }
}

TEST_CASE("a checkpointer killed at any moment of a save changes no bit and loses no checkpoint") {
  kill_while_it_saves({saving}, 24);
}

TEST_CASE("a director or a recorder killed at any moment of a save changes no bit") {
  kill_while_it_saves({directing}, 24);
  kill_while_it_saves({recording}, 12);
}

TEST_CASE("holders with copies and keepers killed at any moment of a save change no bit") {
  kill_while_it_saves({}, 40);
}

TEST_CASE("who saves may die with others, and together with who has asked for it") {
  kill_while_it_saves({saving, directing}, 16);
  kill_while_it_saves({saving, recording, directing, supervising}, 10);
}

TEST_CASE("a checkpoint resumes under another wiring, or over other nodes, with the same bits") {
  const auto j = small_job(6);
  const auto calm = play(data_parallel(j));
  const std::vector<wiring> wirings = {
      data_parallel(j, {.replicas = 2}),
      pipeline(j, {.stages = 3}),
      hybrid(j, {.replicas = 2, .stages = 2}),
      parameter_server(
          j, {.workers = 2, .servers = 2, .order = {.kind = consistency_kind::synchronous}}),
      hybrid(j, {.replicas = 4, .holder_copies = 2}),
  };
  for (std::size_t from = 0; from < wirings.size(); ++from) {
    const scratch_folder saved;
    auto options = saves_every(2);
    options.checkpoint_folder = saved.path();
    options.evaluate = false;
    CAPTURE(from);
    check_same(calm, play_with(wirings[from], options));
    for (const std::size_t to : {(from + 1) % wirings.size(), (from + 3) % wirings.size()}) {
      CAPTURE(to);
      const auto path = saved.file(to % 2 == 0 ? "step-00000002" : "step-00000004");
      const run_options resuming{.resume = path, .evaluate = false};
      CHECK(play_with(wirings[to], resuming).result.parameter_digest ==
            calm.result.parameter_digest);
      if (to != 1) continue;
      const nodes_of_threads three{.count = 3,
                                   .coordinator = fmt::format("inproc://saving-{}", from)};
      CHECK(play_on(three, wirings[to], resuming).result.parameter_digest ==
            calm.result.parameter_digest);
    }
  }
}

TEST_CASE("a job over several nodes is saved by all of them, and resumes on one") {
  const auto j = small_job(6);
  const auto calm = play(data_parallel(j));
  const scratch_folder saved;
  auto options = saves_every(2);
  options.checkpoint_folder = saved.path();
  options.evaluate = false;
  const nodes_of_threads two{.count = 2, .coordinator = "inproc://saving-of-two"};
  check_same(calm, play_on(two, data_parallel(j, {.replicas = 2}), options));
  for (const char* step : {"step-00000002", "step-00000004"}) {
    const auto m = verified_manifest(manifest_of(saved.file(step)));
    CHECK(m.shards.size() == 2);
    CHECK(play_with(pipeline(j, {.stages = 2}), {.resume = saved.file(step), .evaluate = false})
              .result.parameter_digest == calm.result.parameter_digest);
  }
}

TEST_CASE("training goes on where the disk is full or fails, says so, and keeps what it has") {
  const auto w = data_parallel(brief_job(), {.replicas = 2});
  const auto calm = play_on(quiet(std::make_shared<memory_disk>()), w, {});
  for (const bool full : {true, false}) {
    CAPTURE(full);
    const auto files = std::make_shared<memory_disk>();
    auto where = quiet(files);
    auto options = saves_every(1);
    options.checkpoints_kept = 2;
    std::string first;
    log_of_run run;
    options.observer = [&](const run_event& e) {
      if (const auto* s = std::get_if<saved_event>(&e)) {
        run.saves.push_back(*s);
        if (s->step != 1 && s->step != 3) return;
        // In time between two saves: after the first there is no room, after the third there is.
        if (full) files->limit(s->step == 1 ? 100 : 1U << 30U);
        if (!full) files->fail_to_keep(s->step == 1);
      }
      if (const auto* s = std::get_if<step_event>(&e)) run.digests.push_back(s->digest);
    };
    run.result = where.start(w, options).wait();
    CHECK(run.digests == calm.digests);
    REQUIRE(run.saves.size() == 4);
    CHECK(run.saves[0].problem == "");
    CHECK(contains(run.saves[1].problem, full ? "No space left on device" : "Input/output error"));
    CHECK(run.saves[2].problem != "");
    CHECK(run.saves[3].problem == "");
    CHECK(files->folders(folder) == std::vector<std::string>{"step-00000001", "step-00000004"});
    CHECK(run.result.last_checkpoint == folder + "/step-00000004");
    for (const auto& name : {"step-00000001", "step-00000004"})
      CHECK(files->size(folder + "/" + name + "/checkpoint.json").has_value());
  }
}

TEST_CASE("a job that goes back skips a checkpoint that was damaged since, and says so") {
  const scratch_folder saved;
  auto j = brief_job();
  j.steps = 8;
  const auto w = data_parallel(j, {.replicas = 2, .holders = 1});
  const auto calm = play_with(w, {});
  std::vector<rollback_event> backs;
  std::vector<std::uint64_t> digests;
  auto options = saves_every(2);
  options.checkpoint_folder = saved.path();
  options.kills = {{holder, 7, 1}};
  options.observer = [&](const run_event& e) {
    if (const auto* s = std::get_if<step_event>(&e)) digests.push_back(s->digest);
    if (const auto* back = std::get_if<rollback_event>(&e)) backs.push_back(*back);
    const auto* s = std::get_if<saved_event>(&e);
    if (s == nullptr || s->step < 4 || !backs.empty()) return;
    for (const auto& entry : std::filesystem::directory_iterator(s->path))
      if (entry.path().extension() == ".safetensors") std::filesystem::resize_file(entry, 100);
  };
  const auto result = cluster{}.start(w, options).wait();
  CHECK(digests == calm.digests);
  REQUIRE(backs.size() == 1);
  CHECK(backs[0].to == 2);
  REQUIRE(!result.skipped_checkpoints.empty());
  CHECK(contains(result.skipped_checkpoints.back(), "step-00000004"));
}

TEST_CASE("what is resumed is the newest checkpoint that is whole, also by who leads a job again") {
  const scratch_folder saved;
  const auto w = data_parallel(brief_job(), {.replicas = 2});
  auto options = saves_every(1);
  options.checkpoint_folder = saved.path();
  const auto calm = play_with(w, options);
  const auto shard_of = [&](const char* step) {
    for (const auto& entry : std::filesystem::directory_iterator(saved.file(step)))
      if (entry.path().extension() == ".safetensors") return entry.path().string();
    FAIL("no shard in " << step);
    return std::string();
  };
  const auto flipped = shard_of("step-00000004"), cut = shard_of("step-00000003");
  auto bytes = read_file(flipped);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  write_file_atomically(flipped, bytes);
  std::filesystem::resize_file(cut, read_file(cut).size() - 1);
  std::filesystem::remove(shard_of("step-00000002"));

  run_options again{.checkpoint_folder = saved.path()};
  const auto skipped = resume_what_was_saved(w, {.restarts = 1}, again);
  CHECK(again.resume == saved.file("step-00000001"));
  REQUIRE(skipped.size() == 3);
  CHECK(contains(skipped[0], "step-00000004: the digest of its shard"));
  CHECK(contains(skipped[1], "step-00000003: its shard"));
  CHECK(contains(skipped[2], "No such file or directory"));

  for (const auto& path : {saved.path(), saved.file("step-00000001")}) {
    const auto rest = play_with(w, {.resume = path});
    CHECK(rest.digests.size() == 3);
    CHECK(rest.result.parameter_digest == calm.result.parameter_digest);
    CHECK(rest.result.skipped_checkpoints.size() == (path == saved.path() ? 3 : 0));
  }
  CHECK_ERROR(play_with(w, {.resume = saved.file("step-00000002")}), "No such file or directory");
}

TEST_CASE("a job that is stopped ends with a durable checkpoint of its last step") {
  auto j = brief_job();
  j.steps = 600;
  const auto calm = play_with(data_parallel(j), {.evaluate = false});
  for (const std::int64_t every : {1, 7, 0}) {
    const scratch_folder saved;
    CAPTURE(every);
    run_options options{
        .checkpoint_folder = saved.path(), .checkpoint_every = every, .evaluate = false};
    auto live = cluster{}.start(data_parallel(j, {.replicas = 2}), options);
    std::this_thread::sleep_for(10ms);
    live.stop();
    const auto stopped = live.wait();
    REQUIRE(stopped.interrupted);
    if (stopped.steps == 0) continue;
    CHECK(stopped.last_checkpoint == saved.file(fmt::format("step-{:08}", stopped.steps)));
    const auto rest =
        play_with(pipeline(j, {.stages = 2}), {.resume = saved.path(), .evaluate = false});
    CHECK(rest.result.parameter_digest == calm.result.parameter_digest);
  }
}
