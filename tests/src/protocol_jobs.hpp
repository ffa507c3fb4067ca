// Small jobs, one of each topology and feature, that together say every message of the protocol;
// each as a world in which nothing goes wrong.
#pragma once

#include "src/killed_jobs.hpp"
#include "support/world_checks.hpp"

#include <chrono>
#include <string>
#include <utility>
#include <vector>

namespace troupe::test {

inline constexpr auto latency = std::chrono::microseconds(100);

// What it takes the link to notice and to send again, a few steps.
inline constexpr auto resend_after = std::chrono::milliseconds(20);

struct played_job {
  std::string name;
  drawn_world world;
};

// Every role on a node of its own: all that is said takes a link.
inline drawn_world world_of(job j, hybrid_options o, std::vector<timed_fault> faults = {}) {
  drawn_world out;
  out.job = std::move(j);
  out.options = std::move(o);
  out.scattered = true;
  out.cluster.model.link = {.latency = latency, .resend_after = resend_after};
  out.cluster.model.faults = std::move(faults);
  out.evaluates = !out.as_they_come();
  out.checkpoint_every = out.as_they_come() ? 0 : 2;
  return out;
}

inline job message_job() {
  auto out = brief_job(4);
  out.data = load_data("synthetic:64", 3);
  return out;
}

// No delay reaches into the epoch before.
inline job long_epoch() {
  auto out = brief_job(6);
  out.data = load_data("synthetic:256", 3);
  return out;
}

inline job compressed_job() {
  auto out = message_job();
  out.compression = make_codec("top-k 0.25");
  return out;
}

inline std::vector<played_job> protocol_jobs() {
  const auto plain = message_job();
  const consistency bounded{.kind = consistency_kind::bounded, .staleness = 1};
  std::vector<played_job> out;
  out.push_back({"data parallel", world_of(plain, {.replicas = 2, .groups = 2})});
  out.push_back({"pipeline", world_of(plain, {.stages = 3})});
  out.push_back({"hybrid", world_of(plain, {.replicas = 2, .stages = 2, .holders = 1})});
  out.push_back(
      {"parameter server", world_of(plain, {.replicas = 2, .holders = 2, .order = bounded})});
  out.push_back({"dealt", world_of(plain, {.replicas = 2, .balance_shares = true, .backups = 1})});
  out.push_back({"islands", world_of(with_islands(plain), {.replicas = 2})});
  out.back().world.checkpoint_every = 0;
  out.push_back({"compressed", world_of(compressed_job(), {.replicas = 2})});
  out.push_back({"copies", world_of(plain, {.replicas = 2, .holders = 1, .holder_copies = 2})});
  out.push_back({"server copies",
                 world_of(plain,
                          {.replicas = 2,
                           .holders = 2,
                           .holder_copies = 2,
                           .order = {.kind = consistency_kind::asynchronous}})});
  out.push_back({"three copies",
                 world_of(compressed_job(), {.replicas = 2, .holders = 2, .holder_copies = 3})});
  out.push_back({"island copies",
                 world_of(with_islands(plain), {.replicas = 2, .holders = 1, .holder_copies = 2})});
  out.back().world.checkpoint_every = 0;
  out.push_back({"stashed", world_of(long_epoch(), {.stages = 3, .stash_weights = true})});
  out.back().world.checkpoint_every = 0;
  out.push_back({"saves", world_of(compressed_job(), {.replicas = 2, .holders = 1})});
  out.back().world.checkpoint_every = 1;
  out.push_back({"dials", world_of(plain, {.stages = 2})});
  out.back().world.dials = {{.kind = credit_kind::depth, .value = 1, .step = 1}};
  out.push_back({"dealt dials", world_of(plain, {.replicas = 2, .stages = 2, .backups = 1})});
  out.back().world.dials = {{.kind = credit_kind::depth, .value = 1, .step = 2}};
  out.push_back({"server dials",
                 world_of(plain,
                          {.replicas = 2,
                           .stages = 2,
                           .holders = 1,
                           .order = {.kind = consistency_kind::asynchronous}})});
  out.back().world.dials = {{.kind = credit_kind::depth, .value = 1, .step = 2}};
  out.push_back({"dialled bound",
                 world_of(plain,
                          {.replicas = 2,
                           .holders = 1,
                           .holder_copies = 2,
                           .order = {.kind = consistency_kind::bounded, .staleness = 2}})});
  out.back().world.dials = {{.kind = credit_kind::staleness, .value = 1, .step = 1}};
  return out;
}

} // namespace troupe::test
