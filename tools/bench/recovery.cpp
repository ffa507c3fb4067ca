// A driver that has its other nodes killed: node 0 sends SIGKILL (or SIGSTOP: they fall silent) to
// the processes of the others at random moments of a data-parallel job, and measures how long it
// takes until that is noticed, and until the next step is committed. Run by `troupe launch`, which
// starts them again (tools/bench/recovery).
#include "ops/random.hpp"
#include <troupe.hpp>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <fstream>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace troupe;
using wall = std::chrono::steady_clock;

struct wishes {
  std::string model = "lenet", folder;
  std::int64_t steps = 400;
  int kills = 20;
  bool silent = false; // stopped, not killed
};

std::string pid_file(const wishes& o, std::uint32_t node) {
  return fmt::format("{}/node-{}.pid", o.folder, node);
}

// Kills a node some steps after the one before has recovered, somewhere within a step.
class killer {
public:
  killer(wishes o, std::uint32_t nodes) : wishes_(std::move(o)), nodes_(nodes) {}

  // A silent node is only missed by the step that needs it, once it is taken for lost.
  void committed() {
    const std::lock_guard lock(mutex_);
    ++steps_;
    if (killed_ && (noticed_ || !wishes_.silent)) {
      recoveries_.push_back(since_kill());
      killed_.reset();
    }
    changed_.notify_all();
  }

  // The node is taken for lost. A stopped process is no use to anybody.
  void noticed() {
    const std::lock_guard lock(mutex_);
    if (!killed_ || noticed_) return;
    detections_.push_back(since_kill());
    noticed_ = true;
    if (wishes_.silent) ::kill(victim_, SIGKILL);
  }

  void end() {
    const std::lock_guard lock(mutex_);
    over_ = true;
    changed_.notify_all();
  }

  void run() {
    random_stream draw({.seed = 1, .purpose = random_purpose::test});
    std::unique_lock lock(mutex_);
    for (std::uint32_t i = 0; i < static_cast<std::uint32_t>(wishes_.kills) && !over_; ++i) {
      const auto from = steps_ + 3;
      changed_.wait(lock, [&] { return over_ || (!killed_ && steps_ >= from); });
      // As long as the launcher takes a node for young, it waits before it starts it again.
      changed_.wait_for(lock, std::chrono::milliseconds(1100), [&] { return over_; });
      const std::chrono::duration<double, std::milli> moment(draw.uniform(0, 60));
      changed_.wait_for(lock, moment, [&] { return over_; });
      if (!over_) kill(1 + i % (nodes_ - 1));
    }
  }

  // ms, from a kill to the next commit, and until node 0 said so.
  [[nodiscard]] const std::vector<double>& recoveries() const { return recoveries_; }

  [[nodiscard]] const std::vector<double>& detections() const { return detections_; }

private:
  [[nodiscard]] double since_kill() const {
    return std::chrono::duration<double, std::milli>(wall::now() - *killed_).count();
  }

  void kill(std::uint32_t node) {
    std::ifstream(pid_file(wishes_, node)) >> victim_;
    if (victim_ <= 0 || ::kill(victim_, wishes_.silent ? SIGSTOP : SIGKILL) != 0) return;
    killed_ = wall::now();
    noticed_ = false;
  }

  const wishes wishes_;
  const std::uint32_t nodes_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::int64_t steps_ = 0;
  std::optional<wall::time_point> killed_;
  bool noticed_ = false;
  pid_t victim_ = 0;
  std::vector<double> recoveries_, detections_;
  bool over_ = false;
};

nlohmann::json quantiles(std::vector<double> all) {
  std::sort(all.begin(), all.end());
  const auto at = [&](double share) {
    return all.empty() ? 0.0
                       : all[static_cast<std::size_t>(share * static_cast<double>(all.size() - 1))];
  };
  return {{"median_ms", at(0.5)}, {"p90_ms", at(0.9)}, {"p99_ms", at(0.99)}, {"worst_ms", at(1)}};
}

int lead(const wishes& o, const node_place& place, const wiring& w) {
  const auto calm =
      cluster{.compute_threads = 1, .place = node_place{}}.start(w, {.evaluate = false}).wait();
  killer kills(o, place.count);
  std::optional<std::thread> killing;
  run_options options{.evaluate = false};
  options.observer = [&](const run_event& e) {
    if (std::holds_alternative<step_event>(e)) kills.committed();
    const auto* n = std::get_if<node_event>(&e);
    if (n != nullptr && n->what == node_event::kind::down) kills.noticed();
  };
  run going = cluster{.place = place}.start(w, std::move(options));
  killing.emplace([&] { kills.run(); });
  const auto result = going.wait();
  kills.end();
  killing->join();
  auto out = quantiles(kills.recoveries());
  out.update({{"model", o.model},
              {"nodes", place.count},
              {"signal", o.silent ? "stop" : "kill"},
              {"kills", kills.recoveries().size()},
              {"steps", result.steps},
              {"restarts", result.restarts},
              {"digest_equal", result.parameter_digest == calm.parameter_digest},
              {"detected", quantiles(kills.detections())},
              {"recoveries_ms", kills.recoveries()}});
  fmt::print("{}\n", out.dump());
  return result.parameter_digest == calm.parameter_digest ? 0 : 1;
}

int serve(const wishes& o, const node_place& place, const wiring& w) {
  run going = cluster{.place = place}.start(w, {.evaluate = false}); // a spare waits here
  std::ofstream(pid_file(o, going.node())) << ::getpid() << std::endl;
  (void)going.wait();
  return 0;
}

} // namespace

int main(int argc, char** argv) {
  wishes o;
  CLI::App app("what a killed node costs; run by troupe launch");
  app.add_option("--model", o.model, "lenet, cnn or resnet20");
  app.add_option("--folder", o.folder, "where the nodes write their process ids")->required();
  app.add_option("--steps", o.steps, "of the job");
  app.add_option("--kills", o.kills, "at most");
  app.add_flag("--silent", o.silent, "SIGSTOP instead of SIGKILL");
  CLI11_PARSE(app, argc, argv);
  try {
    const auto place = place_in(variables_of_process());
    const job j{.model = model_by_name(o.model, 10),
                .data = fashion_mnist(),
                .learning_rate = {.base = 0.02F},
                .batch = 128,
                .microbatches = place.count,
                .steps = o.steps};
    const auto w = data_parallel(j, {.replicas = static_cast<int>(place.count), .holders = 1});
    return place.number == 0 ? lead(o, place, w) : serve(o, place, w);
  } catch (const std::exception& e) {
    fmt::print(stderr, "error: {}\n", e.what());
    return 1;
  }
}
