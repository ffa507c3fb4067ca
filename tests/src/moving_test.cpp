// Nodes that leave a job, for good or for a while: their actors go on elsewhere.
#include "src/fresh_endpoints.hpp"
#include "src/nodes_of_threads.hpp"
#include "support/deadline.hpp"
#include "support/error_of.hpp"
#include "support/fault_proxy.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <future>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace troupe::test {

using namespace std::chrono_literals;

TEST_CASE("a lost node's actors go on elsewhere, and home when it is there again") {
  const deadline end(120s, "moving");
  const auto w = hybrid(small_job(400), {.replicas = 2, .stages = 2, .holder_copies = 2});
  const auto calm = play(w);
  const std::string zero = fresh_tcp();
  fault_proxy proxy(zero);
  nodes_of_threads nodes{.count = 2, .coordinator = zero, .move_after = 100ms};
  nodes.place = [&](std::uint32_t n) {
    return node_place{.number = n, .count = 2, .coordinator = n == 1 ? proxy.endpoint() : zero};
  };
  log_of_run cut;
  std::vector<std::string> said;
  const std::string stays_away = "node 1 stays away: its actors go on elsewhere";
  std::optional<std::int64_t> since; // it is away, and not missed
  run_options options{.evaluate = false};
  options.observer = [&](const run_event& e) {
    const auto* n = std::get_if<node_event>(&e);
    if (n != nullptr) said.push_back(n->text);
    if (n != nullptr && n->text == stays_away)
      since = static_cast<std::int64_t>(cut.digests.size());
    const auto* s = std::get_if<step_event>(&e);
    if (s == nullptr) return;
    cut.digests.push_back(s->digest);
    if (s->step == 20) {
      proxy.refuse(true);
      proxy.cut();
    }
    if (since && s->step > *since + 20) proxy.refuse(false);
  };
  cut.result = nodes.start(w, std::move(options)).wait();
  CHECK(cut.digests == calm.digests);
  CHECK(cut.result.rollbacks == 0);
  CHECK(std::count(said.begin(), said.end(), stays_away) == 1);
}

TEST_CASE("a node that is drained ends, and the job has its bits without it") {
  const deadline end(120s, "draining");
  const job j = small_job(120);
  for (const wiring& w : {hybrid(j, {.replicas = 2, .stages = 2, .holder_copies = 2}),
                          data_parallel(j, {.replicas = 4, .holders = 1}),
                          data_parallel(j, {.replicas = 4})}) {
    CAPTURE(w.name);
    const auto calm = play(w);
    const nodes_of_threads nodes{.count = 3, .coordinator = fresh_tcp()};
    log_of_run log;
    std::promise<void> going;
    bool told = false;
    run_options options{.evaluate = false};
    options.observer = [&](const run_event& e) {
      const auto* s = std::get_if<step_event>(&e);
      if (s == nullptr) return;
      log.digests.resize(static_cast<std::size_t>(s->step - 1)); // it may have gone back
      log.digests.push_back(s->digest);
      if (s->step == 10 && !std::exchange(told, true)) going.set_value();
    };
    auto job_on_nodes = nodes.start(w, std::move(options));
    going.get_future().wait();
    std::thread asked([&] {
      job_on_nodes.leading.drain(1);
      CHECK_ERROR(job_on_nodes.leading.drain(0), "it leads the job");
      CHECK_ERROR(job_on_nodes.leading.drain(3), "the job has nodes 0 to 2");
    });
    log.result = job_on_nodes.wait();
    asked.join();
    CHECK(log.digests == calm.digests);
    CHECK(nodes.others[0].result.drained);
    CHECK(nodes.others[0].failure.empty());
    CHECK_FALSE(nodes.others[1].result.drained);
    CHECK(nodes.others[1].result.parameter_digest == log.result.parameter_digest);
  }
}

TEST_CASE("a node of an asynchronous job is drained, and every gradient is applied once") {
  const deadline end(60s, "draining an asynchronous job");
  const auto w = parameter_server(small_job(200),
                                  {.workers = 3,
                                   .holder_copies = 2,
                                   .order = {.kind = consistency_kind::bounded, .staleness = 2}});
  const nodes_of_threads nodes{.count = 3, .coordinator = fresh_tcp()};
  std::atomic<int> steps{0};
  auto going = nodes.start(w, {.evaluate = false, .observer = [&](const run_event& e) {
                                 if (std::holds_alternative<step_event>(e)) ++steps;
                               }});
  while (steps < 20)
    std::this_thread::sleep_for(1ms);
  going.leading.drain(2);
  const auto result = going.wait();
  CHECK(result.steps == 200);
  CHECK(steps == 200);
  CHECK(nodes.others[1].result.drained);

  const auto lonely = parameter_server(small_job(50), {.workers = 3, .servers = 3});
  auto alone = nodes.start(lonely, {.evaluate = false});
  CHECK_ERROR(alone.leading.drain(1), "no copy");
  (void)alone.wait();
}

} // namespace troupe::test
