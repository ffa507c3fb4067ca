// What faults cost, and what readiness for them costs, within one process (tools/bench/faults):
//   restart    random actors are killed one after the other: from each death until its successor is
//              ready
//   rate       how often somebody may be killed so that the job still gets on
//   cost       copies of holders and checkpoints on, against off, in turn
// One line of JSON; `digest_equal` says whether the bits are those of the calm run.
#include "ops/random.hpp"
#include "troupe/start_run.hpp"
#include <troupe.hpp>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace troupe;
using nlohmann::json;
using wall = std::chrono::steady_clock;
using milliseconds = std::chrono::duration<double, std::milli>;

struct wishes {
  std::string what = "restart", model = "lenet", data = "fashion-mnist", folder;
  std::int64_t steps = 300;
  std::int64_t every = 50; // steps between checkpoints
  int replicas = 2, copies = 2, kills = 300, repeat = 5;
};

wiring wired(const wishes& o, int copies, std::int64_t steps) {
  const job j{.model = model_by_name(o.model, 10),
              .data = load_data(o.data, 1),
              .learning_rate = {.base = 0.02F},
              .batch = 128,
              .microbatches = static_cast<std::uint32_t>(o.replicas),
              .steps = steps};
  return data_parallel(j, {.replicas = o.replicas, .holder_copies = copies});
}

double quantile(std::vector<double> all, double share) {
  if (all.empty()) return 0;
  std::sort(all.begin(), all.end());
  return all[static_cast<std::size_t>(share * static_cast<double>(all.size() - 1))];
}

json quantiles(const std::vector<double>& ms) {
  return {{"count", ms.size()},
          {"median_ms", quantile(ms, 0.5)},
          {"p99_ms", quantile(ms, 0.99)},
          {"worst_ms", quantile(ms, 1)}};
}

// A job that runs while somebody kills its actors at random, with such a mean time in between.
struct disturbed_run {
  run_result result;
  std::map<std::string, std::vector<double>> recoveries; // ms, by role
  double seconds = 0;
  int kills = 0;
  std::string failure; // empty: none
};

disturbed_run disturb(const wiring& w, milliseconds gap, int kills_max, double seconds_max) {
  disturbed_run out;
  run_options options{.evaluate = false};
  options.observer = [&](const run_event& e) {
    if (const auto* f = std::get_if<fault_event>(&e))
      out.recoveries[role_text(f->who.role)].push_back(f->recovery_ms);
  };
  std::vector<address> mortal;
  for (const auto& r : w.roles)
    if (is_mortal(w, r.where)) mortal.push_back(r.where);
  std::atomic<bool> over{false};
  const auto began = wall::now();
  run going = cluster{}.start(w, std::move(options));
  std::thread killing([&] {
    random_stream draw({.seed = 1, .purpose = random_purpose::test});
    while (!over && out.kills < kills_max) {
      std::this_thread::sleep_for(gap * draw.uniform(0, 2));
      if (over) break;
      going.kill(mortal[draw.below(static_cast<std::uint32_t>(mortal.size()))]);
      ++out.kills;
      if (milliseconds(wall::now() - began).count() > seconds_max * 1e3) going.stop();
    }
  });
  try {
    out.result = going.wait();
  } catch (const error& e) { // it gave up
    out.failure = e.what();
  }
  over = true;
  killing.join();
  out.seconds = milliseconds(wall::now() - began).count() / 1e3;
  return out;
}

json restart(const wishes& o) {
  const auto w = wired(o, o.copies, o.steps);
  const auto calm = cluster{}.start(w, {.evaluate = false}).wait();
  const auto step = milliseconds(calm.seconds * 1e3 / static_cast<double>(calm.steps));
  const auto run = disturb(w, step * 4, o.kills, 1e9);
  if (!run.failure.empty()) throw std::runtime_error(run.failure);
  std::vector<double> all;
  json by_role;
  for (const auto& [role, ms] : run.recoveries) {
    by_role[role] = quantiles(ms);
    all.insert(all.end(), ms.begin(), ms.end());
  }
  auto out = quantiles(all);
  out["by_role"] = by_role;
  out["rollbacks"] = run.result.rollbacks;
  out["digest_equal"] = run.result.parameter_digest == calm.parameter_digest;
  return out;
}

// Shorter and shorter gaps, until the job takes twenty times as long as a calm one.
json rate(const wishes& o) {
  const auto w = wired(o, o.copies, o.steps);
  const auto calm = cluster{}.start(w, {.evaluate = false}).wait();
  const double step_ms = calm.seconds * 1e3 / static_cast<double>(calm.steps);
  json out = {{"step_ms", step_ms}, {"rows", json::array()}};
  bool equal = true;
  for (const double gap : {16.0, 4.0, 2.0, 1.0, 0.5, 0.2, 0.1, 0.05, 0.02}) {
    const auto run = disturb(w, milliseconds(gap * step_ms), 1'000'000'000, 20 * calm.seconds);
    const bool through = !run.result.interrupted && run.failure.empty();
    if (through) equal = equal && run.result.parameter_digest == calm.parameter_digest;
    out["rows"].push_back({{"gap_steps", gap},
                           {"kills", run.kills},
                           {"steps", run.result.steps},
                           {"rollbacks", run.result.rollbacks},
                           {"failure", run.failure},
                           {"goodput",
                            static_cast<double>(run.result.steps) /
                                static_cast<double>(calm.steps) * calm.seconds / run.seconds}});
    if (!through) break;
    out["least_gap_steps"] = gap;
  }
  out["digest_equal"] = equal;
  return out;
}

// Medians of runs in turn.
json cost(const wishes& o) {
  const std::filesystem::path folder = o.folder.empty() ? "." : o.folder;
  std::map<std::string, std::vector<double>> step_ms;
  std::uint64_t digest = 0;
  bool equal = true;
  const auto play = [&](const std::string& name, int copies, bool saves) {
    run_options options{.evaluate = false};
    if (saves) {
      options.checkpoint_folder = (folder / "checkpoints").string();
      options.checkpoint_every = o.every;
    }
    const auto began = wall::now();
    const auto r = cluster{}.start(wired(o, copies, o.steps), std::move(options)).wait();
    step_ms[name].push_back(milliseconds(wall::now() - began).count() /
                            static_cast<double>(r.steps));
    equal = equal && (digest == 0 || digest == r.parameter_digest);
    digest = r.parameter_digest;
    std::filesystem::remove_all(folder / "checkpoints");
  };
  for (int i = 0; i <= o.repeat; ++i) {
    play("off", 1, false);
    play("checkpoints", 1, true);
    play("copies", o.copies, false);
    play("both", o.copies, true);
    if (i == 0) step_ms.clear(); // to warm up
  }
  json out;
  const double off = quantile(step_ms["off"], 0.5);
  for (const auto& [name, ms] : step_ms)
    out[name] = {{"step_ms", quantile(ms, 0.5)}, {"over_off", quantile(ms, 0.5) / off}};
  out["digest_equal"] = equal;
  return out;
}

} // namespace

int main(int argc, char** argv) {
  wishes o;
  CLI::App app("what faults cost, and readiness for them");
  app.add_option("what", o.what, "restart, rate or cost")
      ->check(CLI::IsMember({"restart", "rate", "cost"}));
  app.add_option("--model", o.model, "lenet, cnn or resnet20");
  app.add_option("--data", o.data, "as troupe train reads it");
  app.add_option("--steps", o.steps, "of a job");
  app.add_option("--replicas", o.replicas, "of the model");
  app.add_option("--holder-copies", o.copies, "of each parameter holder");
  app.add_option("--checkpoint-every", o.every, "steps");
  app.add_option("--kills", o.kills, "of restart");
  app.add_option("--repeat", o.repeat, "of cost");
  app.add_option("--folder", o.folder, "where checkpoints are written for a while");
  CLI11_PARSE(app, argc, argv);
  try {
    json out = o.what == "restart" ? restart(o) : o.what == "rate" ? rate(o) : cost(o);
    out["what"] = o.what;
    out["model"] = o.model;
    out["replicas"] = o.replicas;
    fmt::print("{}\n", out.dump());
    return out["digest_equal"] ? 0 : 1;
  } catch (const std::exception& e) {
    fmt::print(stderr, "error: {}\n", e.what());
    return 1;
  }
}
