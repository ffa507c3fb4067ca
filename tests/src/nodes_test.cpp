// Jobs over several nodes, here threads of one process with links between them.
#include "src/fresh_endpoints.hpp"
#include "src/nodes_of_threads.hpp"
#include "support/deadline.hpp"
#include "support/error_of.hpp"
#include "support/fault_proxy.hpp"
#include "support/scratch_folder.hpp"

#include <fmt/format.h>

#include <atomic>

namespace troupe::test {

namespace {

using namespace std::chrono_literals;

log_of_run play_over(std::uint32_t count, const wiring& w, const std::string& coordinator) {
  const nodes_of_threads nodes{.count = count, .coordinator = coordinator};
  auto out = play_on(nodes, w, {.evaluate = false});
  for (const auto& other : nodes.others) {
    CHECK(other.failure == "");
    CHECK(other.result.steps == out.result.steps);
    CHECK(other.result.parameter_digest == out.result.parameter_digest);
    CHECK(other.result.nodes == count);
  }
  return out;
}

std::vector<wiring> topologies_of(const job& j) {
  return {data_parallel(j, {.replicas = 2}),
          data_parallel(j, {.replicas = 4, .holders = 1, .groups = 2}),
          pipeline(j, {.stages = 3}),
          hybrid(j, {.replicas = 2, .stages = 2}),
          parameter_server(
              j, {.workers = 2, .servers = 2, .order = {.kind = consistency_kind::synchronous}})};
}

} // namespace

TEST_CASE("every topology has the same bits over 2, 3 and 5 nodes as in one process") {
  const deadline end(240s, "topologies over nodes");
  const job j = small_job(4);
  const auto alone = play(data_parallel(j));
  for (const wiring& w : topologies_of(j))
    for (const std::uint32_t nodes : {2U, 3U, 5U}) {
      CAPTURE(w.name);
      CAPTURE(nodes);
      check_same(alone, play_over(nodes, w, fresh_inproc()));
    }
}

TEST_CASE("a job has the same bits over ipc and tcp") {
  const deadline end(60s, "endpoints");
  const scratch_folder folder;
  const job j = small_job(4);
  const auto w = hybrid(j, {.replicas = 2, .stages = 2});
  const auto alone = play(w);
  check_same(alone, play_over(3, w, "ipc://" + folder.file("socket")));
  check_same(alone, play_over(3, w, fresh_tcp()));
}

TEST_CASE("asynchronous workers on nodes of their own apply every gradient once") {
  const deadline end(60s, "asynchronous nodes");
  const job j = small_job(40);
  const auto w = parameter_server(
      j, {.workers = 3, .order = {.kind = consistency_kind::bounded, .staleness = 2}});
  const auto log = play_over(3, w, fresh_inproc());
  CHECK(log.result.steps == 40);
  CHECK(log.lead <= 2);
}

TEST_CASE("actors of other nodes are killed and restarted like those of this one") {
  const deadline end(60s, "kills");
  const job j = small_job(12);
  const auto w = data_parallel(j, {.replicas = 2, .holders = 1});
  const auto calm = play(w);
  const nodes_of_threads nodes{.count = 2, .coordinator = fresh_inproc()};
  const auto killed = play_on(nodes,
                              w,
                              {.evaluate = false,
                               .kills = {{parse_address("layer_shard/1"), 3, 2},
                                         {parse_address("data_loader/1"), 6, 1},
                                         {parse_address("gradient_aggregator/0"), 8, 1}}});
  check_same(calm, killed);
  CHECK(killed.faults.size() == 3);
}

TEST_CASE("parameter holders on other nodes have their state from the copy that is left") {
  const deadline end(60s, "holders");
  const auto w = data_parallel(small_job(12), {.replicas = 4, .holders = 2, .holder_copies = 2});
  const auto calm = play(data_parallel(small_job(12), {.replicas = 4}));
  const nodes_of_threads nodes{.count = 3, .coordinator = fresh_inproc()};
  const auto killed = play_on(nodes,
                              w,
                              {.evaluate = false,
                               .kills = {{parse_address("parameter_holder/1"), 3, 1},
                                         {parse_address("parameter_holder/0/1"), 5, 2},
                                         {parse_address("parameter_holder/1/1"), 8, 1}}});
  check_same(calm, killed);
  CHECK(killed.faults.size() == 3);
}

namespace {

// What node 1 holds is on node 0 as well.
void check_cuts(const wiring& w) {
  const auto calm = play(w);
  const std::string zero = fresh_tcp();
  fault_proxy proxy(zero);
  nodes_of_threads nodes{.count = 2, .coordinator = zero};
  nodes.place = [&](std::uint32_t n) {
    return node_place{.number = n, .count = 2, .coordinator = n == 0 ? zero : proxy.endpoint()};
  };
  std::vector<std::string> said;
  log_of_run cut;
  std::atomic<int> heals{0};
  std::vector<std::thread> healers;
  run_options options{.evaluate = false};
  options.observer = [&](const run_event& e) {
    if (const auto* s = std::get_if<step_event>(&e)) {
      cut.digests.push_back(s->digest);
      if (s->step % 40 != 20) return;
      proxy.refuse(true);
      proxy.cut();
      healers.emplace_back([&] {
        std::this_thread::sleep_for(1500ms);
        proxy.refuse(false);
        ++heals;
      });
    }
    if (const auto* n = std::get_if<node_event>(&e)) said.push_back(n->text);
  };
  cut.result = nodes.start(w, std::move(options)).wait();
  for (auto& h : healers)
    h.join();
  CHECK(cut.digests == calm.digests);
  CHECK(heals == 3);
  CHECK(std::count(said.begin(), said.end(), "node 1 is there") == 4);
  CHECK(cut.result.restarts >= 3);
}

} // namespace

TEST_CASE("nodes that lose sight of each other meet again, and no bit changes") {
  const deadline end(120s, "partition");
  check_cuts(data_parallel(small_job(120), {.replicas = 2, .holders = 1}));
  check_cuts(data_parallel(small_job(120), {.replicas = 2, .holder_copies = 2}));
}

TEST_CASE("bytes that a network changes, delays and cuts change no bit of a job") {
  const deadline end(90s, "bad network");
  const job j = small_job(60);
  const auto w = data_parallel(j, {.replicas = 2});
  const auto calm = play(w);
  const std::string zero = fresh_tcp();
  fault_proxy proxy(zero);
  nodes_of_threads nodes{.count = 2, .coordinator = zero};
  nodes.place = [&](std::uint32_t n) {
    return node_place{.number = n, .count = 2, .coordinator = n == 0 ? zero : proxy.endpoint()};
  };
  log_of_run bad;
  run_options options{.evaluate = false};
  options.observer = [&](const run_event& e) {
    const auto* s = std::get_if<step_event>(&e);
    if (s == nullptr) return;
    bad.digests.push_back(s->digest);
    if (s->step % 12 == 3) proxy.cut();
    if (s->step % 12 == 6) proxy.reset();
    if (s->step % 12 == 9) proxy.corrupt(1);
    proxy.delay(s->step % 20 == 10 ? 20ms : 0ms);
  };
  bad.result = nodes.start(w, std::move(options)).wait();
  CHECK(bad.digests == calm.digests);
}

TEST_CASE("nodes that do not belong together say so, both with both values") {
  const deadline end(60s, "mismatch");
  const job j = small_job(4);
  nodes_of_threads nodes{.count = 2, .coordinator = fresh_inproc(), .join_within = 5000ms};
  std::string zero;
  std::vector<std::string> said;
  std::thread first([&] {
    run_options options;
    options.observer = [&](const run_event& e) {
      if (const auto* n = std::get_if<node_event>(&e)) said.push_back(n->text);
    };
    zero = error_of([&] { (void)nodes.node(0).start(data_parallel(j, {.replicas = 2}), options); });
  });
  cluster patient = nodes.node(1); // it is told at once
  patient.join_within = std::chrono::hours(1);
  const auto one =
      error_of([&] { (void)patient.start(data_parallel(j, {.replicas = 4}), {}).wait(); });
  first.join();
  CHECK(one.find("node 1 does not belong to the job") == 0);
  CHECK(one.find("are not of one job: wiring") != std::string::npos);
  CHECK(zero.find("1 of 2 nodes are missing: 1") != std::string::npos);
  CHECK(zero.find("are not of one job: wiring") != std::string::npos);
  CHECK_FALSE(said.empty());
}

TEST_CASE("who waits for nodes says for which, soon") {
  const deadline end(30s, "missing");
  const job j = small_job(4);
  const nodes_of_threads nodes{.count = 4, .coordinator = fresh_inproc(), .join_within = 1500ms};
  std::vector<std::string> said;
  run_options options;
  options.observer = [&](const run_event& e) {
    if (const auto* n = std::get_if<node_event>(&e)) said.push_back(n->text);
  };
  const auto text =
      error_of([&] { (void)nodes.node(0).start(data_parallel(j, {.replicas = 4}), options); });
  REQUIRE_FALSE(said.empty());
  CHECK(said.front() == "waiting for 3 of 4 nodes: 1, 2, 3");
  CHECK(text.find("3 of 4 nodes are missing: 1, 2, 3") == 0);
  CHECK(text.find("troupe node --join") != std::string::npos);
}

TEST_CASE("a job that fails on node 0 fails on all nodes with the same words") {
  const deadline end(60s, "failure");
  job j = small_job(200);
  j.learning_rate = {.base = 1e6F};
  const nodes_of_threads nodes{.count = 2, .coordinator = fresh_inproc()};
  const auto text = error_of(
      [&] { (void)play_on(nodes, data_parallel(j, {.replicas = 2}), {.evaluate = false}); });
  CHECK(text.find("the loss of step") == 0);
  CHECK(nodes.others[0].failure == text);
}

TEST_CASE("any node may stop the job, and the director must be on node 0") {
  const deadline end(60s, "stop");
  const job j = small_job(100000);
  const auto w = data_parallel(j, {.replicas = 2});
  const nodes_of_threads nodes{.count = 2, .coordinator = fresh_inproc()};
  std::atomic<bool> stepped{false};
  run_options options{.evaluate = false};
  options.observer = [&](const run_event& e) {
    if (std::holds_alternative<step_event>(e)) stepped = true;
  };
  std::thread other([&] {
    run serving = nodes.node(1).start(w, {.evaluate = false});
    while (!stepped)
      std::this_thread::sleep_for(1ms);
    serving.stop();
    CHECK(serving.wait().interrupted);
  });
  const auto result = nodes.node(0).start(w, std::move(options)).wait();
  other.join();
  CHECK(result.interrupted);
  CHECK(result.steps < 100000);

  wiring moved = w;
  for (auto& role : moved.roles)
    if (role.where.role == role_kind::director) role.node = 1;
  const auto text = error_of([&] { (void)nodes.node(0).start(moved, {}); });
  CHECK(text.find("director is on node 1") == 0);
}

} // namespace troupe::test
