// Simulations of many nodes: what a node costs does not grow with their number.
#include "src/small_jobs.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <string>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

struct played {
  std::map<role_kind, double> messages; // heard by an actor of this role, on average
  std::uint64_t trace_hash = 0;
  std::int64_t steps = 0;
};

played play_many(int replicas, std::int64_t steps, std::int64_t block_bytes_min = 256 * 1024) {
  auto j = small_job(steps, static_cast<std::uint32_t>(replicas));
  j.batch = replicas;
  j.data = load_data("synthetic:" + std::to_string(replicas), 3);
  const auto w = hybrid(j,
                        {.replicas = replicas,
                         .holders = 1,
                         .groups = replicas / 20,
                         .block_bytes_min = block_bytes_min});
  simulated_cluster world{.timing_only = true};
  world.model.link = {.latency = 100us, .bytes_per_second = 1.25e9};
  const auto r = world.start(w).wait();
  played out{{}, r.simulation->trace_hash, r.steps};
  std::map<role_kind, double> actors;
  for (const auto& a : r.simulation->actors) {
    out.messages[a.who.role] += static_cast<double>(a.messages);
    ++actors[a.who.role];
  }
  for (auto& [role, count] : out.messages)
    count /= actors[role];
  return out;
}

std::uint64_t memory_bytes() { // of the process, now
  std::ifstream file("/proc/self/statm");
  std::uint64_t pages = 0, resident = 0;
  file >> pages >> resident;
  return resident * 4096;
}

} // namespace

TEST_CASE("ten thousand nodes are simulated twice in the same way") {
  const auto once = play_many(10'000, 2, 1 << 20);
  CHECK(once.steps == 2);
  CHECK(once.trace_hash == play_many(10'000, 2, 1 << 20).trace_hash);
}

TEST_CASE("a layer shard hears as many messages a step among a thousand as among a hundred") {
  const auto few = play_many(100, 4), many = play_many(1000, 4);
  for (const auto role : {role_kind::layer_shard, role_kind::data_loader})
    CHECK(many.messages.at(role) == doctest::Approx(few.messages.at(role)).epsilon(0.01));
}

TEST_CASE("layers that share a block send fewer messages") {
  CHECK(play_many(100, 4, 1 << 30).messages.at(role_kind::layer_shard) <
        play_many(100, 4, 0).messages.at(role_kind::layer_shard));
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST_CASE("a node of a simulation without mathematics takes less than 32 KiB of memory") {
  play_many(200, 2); // what is needed once
  const auto before = memory_bytes();
  std::uint64_t peak = before;
  auto j = small_job(2, 4000);
  j.batch = 4000;
  j.data = load_data("synthetic:4000", 3);
  simulated_cluster world{.timing_only = true};
  world.model.link = {.latency = 100us, .bytes_per_second = 1.25e9};
  auto playing =
      world.start(data_parallel(j, {.replicas = 4000, .holders = 1, .groups = 200}),
                  {.observer = [&](const run_event&) { peak = std::max(peak, memory_bytes()); }});
  CHECK(playing.wait().steps == 2);
  CHECK((peak - before) / 4000 < 32 * 1024);
}
#endif
