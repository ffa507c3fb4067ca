// What saving costs a job that goes on meanwhile: the same job with a checkpoint every so many
// steps and without, turn by turn, and how long a checkpoint takes from its step's commit until it
// is durable. One line of JSON.
#include "ops/files/atomic_file.hpp"
#include <troupe.hpp>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <stdlib.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace {

using namespace troupe;
using wall = std::chrono::steady_clock;

struct wishes {
  std::int64_t hidden = 2048, batch = 128, steps = 120, every = 20;
  int replicas = 1, threads = 0, turns = 5;
  std::string optimizer = "sgd", folder;
};

job job_of(const wishes& o) {
  job out{.model =
              sequential(flatten{}, dense{o.hidden}, relu{}, dense{o.hidden}, relu{}, dense{10}),
          .data = load_data("synthetic:2048", 1),
          .optimizer = sgd{.momentum = 0.9F},
          .learning_rate = {.base = 0.01F},
          .batch = o.batch,
          .microbatches = 2,
          .steps = o.steps,
          .seed = 1};
  if (o.optimizer == "adamw") out.optimizer = adamw{};
  return out;
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

struct turn {
  double step_ms = 0; // of the whole run, all that it waits for included
  std::vector<double> durable_ms;
  std::uint64_t digest = 0;
  int failed = 0;
};

// Its first steps warm it up.
turn play(const wiring& w, const wishes& o, bool saves) {
  constexpr std::int64_t warm = 10;
  std::map<std::int64_t, wall::time_point> committed;
  turn out;
  run_options options{.evaluate = false};
  if (saves) {
    options.checkpoint_folder = o.folder + "/checkpoints";
    options.checkpoint_every = o.every;
    options.checkpoints_kept = 2;
  }
  options.observer = [&](const run_event& e) {
    const auto now = wall::now();
    const auto since = [&](std::int64_t step) {
      return std::chrono::duration<double, std::milli>(now - committed.at(step)).count();
    };
    if (const auto* s = std::get_if<step_event>(&e)) committed.emplace(s->step, now);
    const auto* saved = std::get_if<saved_event>(&e);
    if (saved == nullptr) return;
    out.failed += saved->problem.empty() ? 0 : 1;
    out.durable_ms.push_back(since(saved->step));
  };
  out.digest = cluster{.compute_threads = o.threads}.start(w, options).wait().parameter_digest;
  const std::chrono::duration<double, std::milli> all = committed.at(o.steps) - committed.at(warm);
  out.step_ms = all.count() / static_cast<double>(o.steps - warm);
  return out;
}

std::uint64_t bytes_of_newest(const wishes& o) {
  std::uint64_t out = 0;
  const auto path = fmt::format("{}/checkpoints/step-{:08}", o.folder, o.steps);
  for (const auto& entry : std::filesystem::directory_iterator(path))
    out += entry.file_size();
  return out;
}

// As fast as this disk takes so many bytes from anybody.
double bare_write_ms(const wishes& o, std::uint64_t bytes) {
  const std::string content(bytes, 'x');
  std::vector<double> times;
  for (int i = 0; i < 5; ++i) {
    const auto from = wall::now();
    write_file_atomically(o.folder + "/bare", content);
    times.push_back(std::chrono::duration<double, std::milli>(wall::now() - from).count());
  }
  return median(times);
}

int measure(const wishes& o) {
  const auto w = data_parallel(job_of(o), {.replicas = o.replicas});
  std::vector<double> calm, saved, ratios, durable;
  bool equal = true;
  int failed = 0;
  for (int t = 0; t < o.turns; ++t) {
    const auto a = play(w, o, t % 2 == 0), b = play(w, o, t % 2 != 0); // who is first changes
    const auto& without = t % 2 == 0 ? b : a;
    const auto& with = t % 2 == 0 ? a : b;
    calm.push_back(without.step_ms);
    saved.push_back(with.step_ms);
    ratios.push_back(with.step_ms / without.step_ms);
    durable.insert(durable.end(), with.durable_ms.begin(), with.durable_ms.end());
    failed += with.failed;
    equal = equal && with.digest == without.digest;
  }
  const auto bytes = bytes_of_newest(o);
  const nlohmann::json out = {{"bytes", bytes},
                              {"optimizer", o.optimizer},
                              {"replicas", o.replicas},
                              {"every", o.every},
                              {"step_ms", median(calm)},
                              {"step_ms_saving", median(saved)},
                              {"ratio", median(ratios)},
                              {"ratios", ratios},
                              {"durable_ms", median(durable)},
                              {"bare_write_ms", bare_write_ms(o, bytes)},
                              {"checkpoints", durable.size()},
                              {"failed", failed},
                              {"digest_equal", equal}};
  fmt::print("{}\n", out.dump());
  return equal && failed == 0 ? 0 : 1;
}

} // namespace

int main(int argc, char** argv) {
  wishes o;
  CLI::App app{"What saving costs a job that goes on meanwhile, as a line of JSON"};
  app.add_option("--hidden", o.hidden, "Width of two dense layers")->capture_default_str();
  app.add_option("--batch", o.batch)->capture_default_str();
  app.add_option("--steps", o.steps, "Of each run")
      ->capture_default_str()
      ->check(CLI::Range(20, 1000000));
  app.add_option("--every", o.every, "Steps between two checkpoints")->capture_default_str();
  app.add_option("--replicas", o.replicas)->capture_default_str();
  app.add_option("--threads", o.threads, "That compute; 0: as many as there are cores")
      ->capture_default_str();
  app.add_option("--turns", o.turns, "Runs with, and as many without")->capture_default_str();
  app.add_option("--optimizer", o.optimizer)
      ->check(CLI::IsMember({"sgd", "adamw"}))
      ->capture_default_str();
  app.add_option("--folder", o.folder, "Where to write; none: a folder of its own, removed after");
  CLI11_PARSE(app, argc, argv);
  const bool own = o.folder.empty();
  if (own) {
    auto pattern = (std::filesystem::temp_directory_path() / "troupe-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) {
      fmt::print(stderr, "error: no folder can be made at {}\n", pattern);
      return 3;
    }
    o.folder = pattern;
  }
  int code = 1;
  try {
    code = measure(o);
  } catch (const error& e) {
    fmt::print(stderr, "{}\n", e.what());
  }
  if (own) std::filesystem::remove_all(o.folder);
  return code;
}
