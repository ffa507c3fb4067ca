// What faults cost, and what readiness for them costs, within one process (tools/bench/faults):
//   restart    random actors are killed one after the other: from each death until its successor is
//              ready
//   rate       how often somebody may be killed so that the job still gets on
//   stuck      a kernel that does not return: until its actor is taken for dead
//   watching   what looks for stuck actors while nothing goes wrong, of the processor's time
//   saving     steps after one that is saved, against the others of the same run
//   cost       copies of holders and checkpoints on, against off, in turn
// One line of JSON; `digest_equal` says whether the bits are those of the calm run.
#include "ops/codec.hpp"
#include "ops/random.hpp"
#include "troupe/start_run.hpp"
#include <troupe.hpp>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <numeric>
#include <span>
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

job job_of(const wishes& o, std::int64_t steps) {
  return {.model = model_by_name(o.model, 10),
          .data = load_data(o.data, 1),
          .learning_rate = {.base = 0.02F},
          .batch = 128,
          .microbatches = static_cast<std::uint32_t>(o.replicas),
          .steps = steps};
}

wiring wired(const wishes& o, int copies, std::int64_t steps) {
  return data_parallel(job_of(o, steps), {.replicas = o.replicas, .holder_copies = copies});
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

// Encodes as another one does; but once, when it is due, it does not return.
class stalling_codec final : public codec {
public:
  explicit stalling_codec(wall::time_point due) : due_(due) {}

  ~stalling_codec() override = default;

  [[nodiscard]] std::string text() const override { return inner_->text(); }

  [[nodiscard]] bool has_residual() const override { return inner_->has_residual(); }

  [[nodiscard]] tensor encode(std::span<const float> gradient,
                              std::span<float> residual,
                              const codec_key& key) const override {
    if (wall::now() >= due_ && !has_stalled_.exchange(true)) {
      stalled = wall::now();
      over.wait(false);
    }
    return inner_->encode(gradient, residual, key);
  }

  void decode(const tensor& payload, std::span<float> gradient) const override {
    inner_->decode(payload, gradient);
  }

  mutable std::atomic<wall::time_point> stalled{};
  std::atomic<bool> over{false};

private:
  std::shared_ptr<const codec> inner_ = make_codec("fp16");
  const wall::time_point due_;
  mutable std::atomic<bool> has_stalled_{false};
};

// One stall in each job, when it has run for a while: who has just begun, or was taken for stuck
// once, is given longer.
json stuck(const wishes& o) {
  std::vector<double> found, ready;
  std::uint64_t digest = 0;
  bool equal = true;
  for (int i = 0; i <= o.repeat; ++i) {
    const auto due = i == 0 ? std::chrono::milliseconds(1'000'000'000) // the first one is calm
                            : std::chrono::milliseconds(8000 + 37 * i);
    const auto how = std::make_shared<stalling_codec>(wall::now() + due);
    auto j = job_of(o, o.steps);
    j.compression = how;
    run_options options{.evaluate = false};
    options.observer = [&](const run_event& e) {
      const auto* f = std::get_if<fault_event>(&e);
      if (f == nullptr) return;
      ready.push_back(milliseconds(wall::now() - how->stalled.load()).count());
      found.push_back(ready.back() - f->recovery_ms);
      how->over = true;
      how->over.notify_all();
    };
    const auto r =
        cluster{}
            .start(data_parallel(j, {.replicas = o.replicas, .holder_copies = o.copies}), options)
            .wait();
    equal = equal && (i == 0 || r.parameter_digest == digest);
    digest = r.parameter_digest;
  }
  if (found.size() != static_cast<std::size_t>(o.repeat))
    throw std::runtime_error(fmt::format("{} restarts for {} stalls", found.size(), o.repeat));
  return {{"found", quantiles(found)}, {"ready", quantiles(ready)}, {"digest_equal", equal}};
}

// Seconds that the threads of this name have computed.
double cpu_seconds_of(const std::string& name) {
  double out = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::string comm;
    double nanoseconds = 0;
    std::ifstream(task.path() / "comm") >> comm;
    if (comm == name && std::ifstream(task.path() / "schedstat") >> nanoseconds)
      out += nanoseconds * 1e-9;
  }
  return out;
}

// Supervision says nothing before somebody dies; all that it does until then is to look for who is
// stuck.
json watching(const wishes& o) {
  struct spent {
    double watch = 0, all = 0; // seconds
  } first, last;

  run_options options{.evaluate = false};
  options.observer = [&](const run_event& e) {
    if (!std::holds_alternative<step_event>(e)) return;
    last = {cpu_seconds_of("lookout"), static_cast<double>(std::clock()) / CLOCKS_PER_SEC};
    if (first.all == 0) first = last;
  };
  const auto r = cluster{}.start(wired(o, 1, o.steps), std::move(options)).wait();
  if (last.watch == 0) throw std::runtime_error("no thread looks for stuck actors");
  return {{"cpu_seconds", last.all - first.all},
          {"share", (last.watch - first.watch) / (last.all - first.all)},
          {"digest_equal", r.steps == o.steps}};
}

// How much longer the steps take while a checkpoint is written than those before the next one, as a
// share of the whole interval. Of one run, so that what the machine does slowly meets both.
json saving(const wishes& o) {
  constexpr std::size_t while_written = 10; // steps; by then it is durable, or nearly
  std::vector<double> seconds;              // when each step was committed
  run_options options{.evaluate = false};
  options.checkpoint_folder = (std::filesystem::path(o.folder) / "checkpoints").string();
  options.checkpoint_every = o.every;
  options.observer = [&](const run_event& e) {
    if (const auto* s = std::get_if<step_event>(&e)) seconds.push_back(s->seconds);
  };
  const auto r = cluster{}.start(wired(o, 1, o.steps), std::move(options)).wait();
  std::filesystem::remove_all(std::filesystem::path(o.folder) / "checkpoints");
  std::vector<double> during, other;
  const auto every = static_cast<std::size_t>(o.every);
  for (std::size_t i = every; i < seconds.size(); ++i) // seconds[i] is of step i + 1
    (i % every < while_written ? during : other).push_back(seconds[i] - seconds[i - 1]);
  const auto mean = [](const std::vector<double>& v) {
    return std::accumulate(v.begin(), v.end(), 0.0) / static_cast<double>(v.size());
  };
  const double step = mean(other);
  return {{"step_ms", step * 1e3},
          {"checkpoints", during.size() / while_written},
          {"milliseconds_each", (mean(during) - step) * while_written * 1e3},
          {"share", (mean(during) - step) * while_written / (step * static_cast<double>(every))},
          {"digest_equal", r.steps == o.steps}};
}

// Each turn plays all of them, beginning with another one, and compares with its own run of "off":
// what the machine does slowly meets all of a turn. Medians of the turns.
json cost(const wishes& o) {
  const std::filesystem::path folder = o.folder.empty() ? "." : o.folder;
  std::uint64_t digest = 0;
  bool equal = true;
  const auto play = [&](int copies, bool saves) {
    run_options options{.evaluate = false};
    if (saves) {
      options.checkpoint_folder = (folder / "checkpoints").string();
      options.checkpoint_every = o.every;
    }
    const auto began = wall::now();
    const auto r = cluster{}.start(wired(o, copies, o.steps), std::move(options)).wait();
    const double ms = milliseconds(wall::now() - began).count() / static_cast<double>(r.steps);
    equal = equal && (digest == 0 || digest == r.parameter_digest);
    digest = r.parameter_digest;
    std::filesystem::remove_all(folder / "checkpoints");
    return ms;
  };

  struct kind_of_run {
    const char* name;
    int copies;
    bool saves;
    std::vector<double> step_ms, over_off;
  };

  std::array<kind_of_run, 3> kinds = {{{"off", 1, false, {}, {}},
                                       {"copies", o.copies, false, {}, {}},
                                       {"both", o.copies, true, {}, {}}}};
  play(1, false); // to warm up
  for (std::size_t turn = 0; turn < static_cast<std::size_t>(o.repeat); ++turn) {
    for (std::size_t i = 0; i < kinds.size(); ++i) {
      auto& k = kinds[(turn + i) % kinds.size()];
      k.step_ms.push_back(play(k.copies, k.saves));
    }
    for (auto& k : kinds)
      k.over_off.push_back(k.step_ms.back() / kinds[0].step_ms.back());
  }
  json out;
  for (const auto& k : kinds)
    out[k.name] = {{"step_ms", quantile(k.step_ms, 0.5)}, {"over_off", quantile(k.over_off, 0.5)}};
  out["digest_equal"] = equal;
  return out;
}

} // namespace

int main(int argc, char** argv) {
  wishes o;
  CLI::App app("what faults cost, and readiness for them");
  app.add_option("what", o.what, "restart, rate, stuck, watching, saving or cost")
      ->check(CLI::IsMember({"restart", "rate", "stuck", "watching", "saving", "cost"}));
  app.add_option("--model", o.model, "lenet, cnn or resnet20");
  app.add_option("--data", o.data, "as troupe train reads it");
  app.add_option("--steps", o.steps, "of a job");
  app.add_option("--replicas", o.replicas, "of the model");
  app.add_option("--holder-copies", o.copies, "of each parameter holder");
  app.add_option("--checkpoint-every", o.every, "steps");
  app.add_option("--kills", o.kills, "of restart");
  app.add_option("--repeat", o.repeat, "of stuck and cost");
  app.add_option("--folder", o.folder, "where checkpoints are written for a while");
  CLI11_PARSE(app, argc, argv);
  try {
    json out = o.what == "restart"    ? restart(o)
               : o.what == "rate"     ? rate(o)
               : o.what == "stuck"    ? stuck(o)
               : o.what == "watching" ? watching(o)
               : o.what == "saving"   ? saving(o)
                                      : cost(o);
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
