// A small job with everything that could depend on who computes it, and how to compare its runs.
#pragma once

#include <troupe.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace troupe::test {

// Batch norm, dropout, a residual block, augmentation: everything that could depend on who computes
// it.
inline job small_job(std::int64_t steps, std::uint32_t microbatches = 4) {
  return {.model = sequential(
              conv2d{.channels = 16, .kernel = 3, .padding = 1, .bias = false},
              batch_norm{},
              relu{},
              max_pool2d{},
              residual{.body = {conv2d{.channels = 16, .padding = 1, .bias = false}, batch_norm{}},
                       .relu_after = true},
              flatten{},
              dropout{0.25F},
              dense{32},
              relu{},
              dense{10}),
          .data = load_data("synthetic:512", 3),
          .optimizer = sgd{.momentum = 0.9F, .nesterov = true, .weight_decay = 1e-4F},
          .learning_rate = {.base = 0.02F,
                            .kind = learning_rate::shape_kind::cosine,
                            .warmup_steps = 3},
          .augment = {.flip = true, .crop_padding = 2},
          .batch = 32,
          .microbatches = microbatches,
          .steps = steps,
          .seed = 7};
}

struct log_of_run {
  run_result result;
  std::vector<std::uint64_t> digests;
  std::vector<double> losses;
  std::uint64_t staleness = 0, lead = 0; // the most
  std::vector<fault_event> faults;
  std::vector<epoch_event> epochs;
  std::vector<saved_event> saves;
  std::vector<std::vector<replica_share>> shares; // by step
};

// On a cluster of any kind.
template <class Cluster>
log_of_run play_on(const Cluster& where, const wiring& wired, run_options options) {
  log_of_run out;
  options.observer = [&](const run_event& e) {
    if (const auto* s = std::get_if<step_event>(&e)) {
      out.digests.push_back(s->digest);
      out.losses.push_back(s->loss);
      out.staleness = std::max(out.staleness, s->staleness);
      out.lead = std::max(out.lead, s->lead);
      out.shares.push_back(s->shares);
    }
    if (const auto* f = std::get_if<fault_event>(&e)) out.faults.push_back(*f);
    if (const auto* epoch = std::get_if<epoch_event>(&e)) out.epochs.push_back(*epoch);
    if (const auto* saved = std::get_if<saved_event>(&e)) out.saves.push_back(*saved);
  };
  out.result = where.start(wired, std::move(options)).wait();
  return out;
}

inline log_of_run play_with(const wiring& wired, run_options options, int compute_threads = 0) {
  return play_on(cluster{compute_threads}, wired, std::move(options));
}

inline log_of_run play(const wiring& wired,
                       std::vector<planned_kill> kills = {},
                       int compute_threads = 0,
                       std::vector<slow_actor> slow = {},
                       std::vector<dial> dials = {}) {
  return play_with(wired,
                   {.evaluate = false,
                    .kills = std::move(kills),
                    .slow = std::move(slow),
                    .dials = std::move(dials)},
                   compute_threads);
}

inline void check_same(const log_of_run& a, const log_of_run& b) {
  CHECK(a.digests == b.digests);
  CHECK(a.losses == b.losses);
  const auto& x = a.result.layout;
  const auto& y = b.result.layout;
  REQUIRE(x.specs.size() == y.specs.size());
  for (int p = 0; p < static_cast<int>(x.specs.size()); ++p)
    CHECK(plain_values(x, p, a.result.parameters) == plain_values(y, p, b.result.parameters));
}

} // namespace troupe::test
