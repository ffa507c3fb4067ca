// Jobs whose layer shards compute on devices, on doubles of GPUs: both laws hold, CPUs and devices
// mix, and a device that fails costs time alone.
#include "src/fresh_endpoints.hpp"
#include "src/nodes_of_threads.hpp"
#include "support/doubled_devices.hpp"
#include "support/error_of.hpp"
#include "support/scratch_folder.hpp"

#include <doctest/doctest.h>

#include <cmath>

using namespace troupe;
using namespace troupe::test;

namespace {

// Of all kinds of layers, and small: the doubles compute with plain loops.
job device_job(std::int64_t steps) {
  auto j = small_job(steps);
  j.model = sequential(
      conv2d{.channels = 4, .kernel = 3, .stride = 2, .padding = 1, .bias = false},
      batch_norm{},
      relu{},
      max_pool2d{},
      residual{.body = {conv2d{.channels = 4, .padding = 1, .bias = false}, batch_norm{}},
               .relu_after = true},
      flatten{},
      dropout{0.25F},
      dense{16},
      relu{},
      dense{10});
  j.batch = 16;
  return j;
}

double difference(const log_of_run& a, const log_of_run& b) {
  REQUIRE(a.losses.size() == b.losses.size());
  double most = 0;
  for (std::size_t i = 0; i < a.losses.size(); ++i)
    most = std::max(most, std::abs(a.losses[i] - b.losses[i]));
  return most;
}

} // namespace

TEST_CASE("a job on devices ends with the same bits under every wiring") {
  const doubled_devices devices;
  const auto j = device_job(5);
  const auto one = play(on_devices(data_parallel(j), {"host:0"}));
  check_same(one, play(on_devices(data_parallel(j, {.replicas = 2}), {"host:0"})));
  check_same(one, play(on_devices(data_parallel(j, {.replicas = 4}), {"host:0", "host:1"})));
  for (const char* schedule : {"gpipe", "1f1b", "zero-bubble"})
    check_same(one, play(on_devices(pipeline(j, {.stages = 3, .schedule = schedule}), {"host:0"})));
  check_same(one,
             play(on_devices(hybrid(j,
                                    {.replicas = 2,
                                     .stages = 2,
                                     .holders = 3,
                                     .schedule = "interleaved",
                                     .chunks = 2,
                                     .recompute = true,
                                     .block_bytes_max = 64 * 1024}),
                             {"host:0", "host:1"})));
  CHECK(devices.opened() > 10);
  // What a CPU computes is added in another order.
  const auto cpu = play(data_parallel(j));
  CHECK(difference(one, cpu) < 0.5); // dropout draws by place: images lie otherwise on a CPU
  auto dry = device_job(5);
  dry.model = sequential(
      conv2d{.channels = 4, .kernel = 5, .stride = 2}, batch_norm{}, relu{}, flatten{}, dense{10});
  CHECK(difference(play(data_parallel(dry)), play(on_devices(data_parallel(dry), {"host:0"}))) <
        1e-4);
}

TEST_CASE("sliced layers, codecs, islands and asynchronous workers run on devices") {
  const doubled_devices devices;
  auto sliced = device_job(4);
  sliced.slices = {{"7", 2}};
  check_same(play(on_devices(data_parallel(sliced), {"host:0"})),
             play(on_devices(hybrid(sliced, {.replicas = 2, .spread_slices = true}),
                             {"host:0", "host:1"})));
  auto coded = device_job(4);
  coded.compression = make_codec("top-k 0.05");
  check_same(play(on_devices(data_parallel(coded), {"host:0"})),
             play(on_devices(pipeline(coded), {"host:0"})));
  auto apart = device_job(4);
  apart.outer = {.islands = 2, .every = 2};
  check_same(play(on_devices(data_parallel(apart, {.replicas = 2}), {"host:0"})),
             play(on_devices(data_parallel(apart, {.replicas = 4}), {"host:0"})));
  const auto loose =
      play(on_devices(parameter_server(device_job(12), {.workers = 2, .servers = 2}), {"host:0"}));
  CHECK(loose.result.steps == 12);
}

TEST_CASE("CPUs and devices compute in one job, and its bits are those of who computes what") {
  const doubled_devices devices;
  auto j = device_job(5);
  for (const auto& w : {data_parallel(j, {.replicas = 2}),
                        pipeline(j, {.stages = 3, .schedule = "zero-bubble"}),
                        hybrid(j, {.replicas = 2, .stages = 2})}) {
    CAPTURE(w.name);
    const auto mixed = on_devices(w, {"host:0", "cpu"});
    const auto calm = play(mixed);
    check_same(calm, play(mixed));
    for (const auto& role : mixed.roles)
      if (role.where.role == role_kind::layer_shard)
        check_same(calm, play(mixed, {{role.where, 2, 3}, {role.where, 3, 1}}));
  }
}

TEST_CASE("whoever is killed while devices compute, the bits stay the same") {
  const doubled_devices devices;
  const auto j = device_job(5);
  const auto calm = play(on_devices(data_parallel(j), {"host:0"}));
  const auto w = on_devices(hybrid(j, {.replicas = 2, .stages = 2}), {"host:0", "host:1"});
  for (const auto& role : w.roles)
    if (role.where.role == role_kind::layer_shard || role.where.role == role_kind::parameter_holder)
      for (const int message : {1, 4, 9}) {
        CAPTURE(role.where.text());
        CAPTURE(message);
        check_same(calm, play(w, {{role.where, 2, message}}));
      }
}

TEST_CASE("a device that fails costs time alone") {
  const auto j = device_job(5);
  log_of_run calm;
  {
    const doubled_devices devices;
    calm = play(on_devices(data_parallel(j), {"host:0"}));
  }
  int restarts = 0;
  for (const int call : {30, 55, 80, 140, 230, 400}) { // of compiling, or of some step
    CAPTURE(call);
    const doubled_devices devices([&](int opened, host_device& d) {
      if (opened >= 2 && opened < 4) d.fail_from(call); // those that compiled, or the ones after
      if (opened < 2) d.fail_from(4 * call);
    });
    const auto run = play(on_devices(data_parallel(j, {.replicas = 2}), {"host:0"}));
    check_same(calm, run);
    for (const auto& f : run.faults)
      CHECK(f.reason.find("the device is lost") != std::string::npos);
    restarts += static_cast<int>(run.result.restarts);
    CHECK(devices.opened() >= 2 + static_cast<int>(run.result.restarts > 0));
  }
  CHECK(restarts >= 6);
}

TEST_CASE("devices that fail again and again end the job, with the reason") {
  const doubled_devices devices([](int, host_device& d) { d.fail_from(20); });
  const auto w = on_devices(data_parallel(device_job(50), {.replicas = 2}), {"host:0"});
  auto patience = default_supervision(w);
  for (auto& group : patience.root.children)
    group.below = std::make_shared<const supervisor_spec>([&] {
      auto out = *group.below;
      out.backoff.in_a_row_max = 2;
      return out;
    }());
  const auto text = error_of([&] { play_with(w, {.evaluate = false, .supervision = patience}); });
  CHECK(text.find("the device is lost") != std::string::npos);
  CHECK(text.find("layer_shard/") != std::string::npos);
  CHECK(text.find("on one input") == std::string::npos); // no microbatch is to blame
}

TEST_CASE("a device that is not there is told before anything is spawned") {
  const auto w = data_parallel(device_job(2));
  CHECK(error_of([&] { on_devices(w, {"cuda:x"}); }).find("'cuda:x' is no device") !=
        std::string::npos);
  CHECK(error_of([&] { on_devices(w, {}); }).find("name one: cuda:0, or cpu") != std::string::npos);
  if (!gpu::why_no_cuda_device().empty()) {
    const auto text = error_of([&] { (void)cluster{}.start(on_devices(w, {"cuda:0"})); });
    CHECK(text.find("cannot be used") != std::string::npos);
    CHECK(text.find(gpu::why_no_cuda_device()) != std::string::npos);
  }
  auto wrong = w;
  for (auto& role : wrong.roles)
    if (role.where.role == role_kind::parameter_holder) role.device = "cuda:0";
  const auto mistakes = mistakes_of(wrong);
  REQUIRE(mistakes.size() == 1);
  CHECK(mistakes.front().why ==
        "layer shards and evaluators compute on devices, all others on CPUs");
  CHECK(error_of([&] {
          (void)simulated_cluster{}.start(on_devices(w, {"cuda:0"}));
        }).find("a simulation knows the speed of CPUs alone") != std::string::npos);
}

TEST_CASE("a wiring with devices is saved, read, printed") {
  const auto w = on_devices(data_parallel(device_job(2), {.replicas = 2}), {"cuda:1", "cpu"});
  CHECK(parse_wiring(to_json(w), w.job, "w.json").roles == w.roles);
  CHECK(w.text().find(" on cuda:1 ") != std::string::npos);
  std::vector<std::string> placed;
  for (const auto& role : w.roles)
    if (role.where.role == role_kind::layer_shard) placed.push_back(role.device);
  CHECK(placed == std::vector<std::string>{"cuda:1", ""});
}

TEST_CASE("checkpoints go from devices to CPUs and back") {
  const doubled_devices devices;
  const auto j = device_job(8);
  const auto on_host = on_devices(data_parallel(j, {.replicas = 2}), {"host:0"});
  const auto on_cpu = data_parallel(j);
  const scratch_folder of_host, of_cpu;
  const auto calm =
      play_with(on_host, {.checkpoint_folder = of_host.path(), .checkpoint_every = 4});
  play_with(on_cpu, {.checkpoint_folder = of_cpu.path(), .checkpoint_every = 4});
  CHECK(calm.result.tested);
  const auto rest = [](const wiring& w, const scratch_folder& from) {
    return play_with(w, {.resume = from.path() + "/step-00000004", .evaluate = false}).result;
  };
  CHECK(rest(on_host, of_host).parameter_digest == calm.result.parameter_digest);
  CHECK(rest(on_host, of_cpu).steps == 8);
  const auto there = rest(on_cpu, of_host);
  const auto first = [](const run_result& r) { return plain_values(r.layout, 0, r.parameters); };
  const auto a = first(calm.result), b = first(there);
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    most = std::max(most, static_cast<double>(std::abs(a[i] - b[i])));
  CHECK(most < 0.05); // dropout drew others since
  CHECK(most > 0);
}

TEST_CASE("a device evaluates as a CPU does") {
  const doubled_devices devices;
  auto w = data_parallel(device_job(4));
  for (auto& role : w.roles)
    if (role.where.role == role_kind::evaluator) role.device = "host:0";
  const auto there = play_with(w, {});
  w = on_devices(w, {"cpu"});
  w.roles.push_back({.where = parse_address("evaluator/1"), .device = "host:0"});
  const auto here = play_with(w, {});
  CHECK(there.digests == here.digests); // CPUs train, with parameters as devices want them
  REQUIRE(there.result.tested);
  CHECK(devices.opened() > 0);
  CHECK(there.result.test_accuracy == doctest::Approx(here.result.test_accuracy).epsilon(0.02));
  CHECK(there.result.test_loss == doctest::Approx(here.result.test_loss).epsilon(1e-4));
}

TEST_CASE("of several nodes each opens the devices of its own roles") {
  const doubled_devices devices;
  const auto j = device_job(5);
  auto w = data_parallel(j, {.replicas = 2});
  const auto calm = play(on_devices(data_parallel(j), {"host:0"}));
  for (auto& role : w.roles)
    if (role.where.role == role_kind::layer_shard)
      role.device = role.node == 0 ? "host:7" : "host:8";
  const nodes_of_threads nodes{.coordinator = fresh_tcp()};
  check_same(calm, play_on(nodes, w, {.evaluate = false}));
  CHECK(!devices.openers(7).empty());
  CHECK(!devices.openers(8).empty());
  for (const auto& thread : devices.openers(7))
    CHECK(devices.openers(8).count(thread) == 0);
}
