// How true simulated step times are: real runs of several wirings on this machine, and what the
// simulation predicts for them, by the machine's profile and by this very model's measured kernels.
// Every round calibrates and measures everyone in turn, so that other load slows all alike; medians
// of the rounds count. One line of JSON for each model and wiring; tools/bench/simulation makes a
// table of them.
#include "bench/topology_measure.hpp"
#include "troupe/calibration.hpp"
#include "troupe/predicted_step.hpp"
#include "troupe/topology.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace troupe;

struct settings {
  std::vector<std::string> models = {"lenet", "cnn", "resnet20"};
  std::string data = "synthetic";
  std::int64_t batch = 128;
  std::uint32_t microbatches = 8;
  double seconds = 1, quantile = 0.5;
  int rounds = 5;
};

struct contender {
  std::string model;
  wiring wired;
  std::vector<double> measured = {}, by_profile = {}, by_kernels = {}; // seconds of a step
};

job job_of(const settings& s, const std::string& model, const data_split& data) {
  job out;
  out.model = model_by_name(model, data.train->classes);
  out.data.train = data.train;
  out.optimizer = sgd{.momentum = 0.9F};
  out.learning_rate = {.base = 0.01F};
  out.batch = s.batch;
  out.microbatches = s.microbatches;
  out.steps = std::numeric_limits<std::int32_t>::max();
  return out;
}

std::vector<contender> contenders(const settings& s, const data_split& data) {
  std::vector<contender> out;
  for (const auto& model : s.models) {
    const job j = job_of(s, model, data);
    for (const int replicas : {1, 2, 4})
      out.push_back({model, data_parallel(j, {.replicas = replicas})});
    for (const int stages : {2, 4})
      out.push_back({model, pipeline(j, {.stages = stages})});
    for (const int workers : {1, 2, 4})
      out.push_back({model, parameter_server(j, {.workers = workers})});
  }
  return out;
}

double predicted(const wiring& w, const machine_profile& machine, std::vector<piece_cost> pieces) {
  simulated_cluster here{.nodes = 1};
  set_machine(here, machine);
  here.costs.pieces = std::move(pieces);
  return predicted_step_seconds(w, std::move(here));
}

void measure_once(std::vector<contender>& all, const settings& s) {
  const machine_profile machine = calibrate();
  std::string model;
  std::vector<piece_cost> kernels;
  for (contender& c : all) {
    if (std::exchange(model, c.model) != c.model) kernels = measured_costs(c.wired.job);
    c.measured.push_back(bench::seconds_of_step(c.wired, s.seconds, s.quantile));
    c.by_profile.push_back(predicted(c.wired, machine, {}));
    c.by_kernels.push_back(predicted(c.wired, machine, kernels));
  }
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + std::ssize(values) / 2, values.end());
  return values[values.size() / 2];
}

// The median of the rounds' errors: 0.1 is 10 % too long.
double error_of(const std::vector<double>& predicted, const std::vector<double>& measured) {
  std::vector<double> each;
  for (std::size_t i = 0; i < measured.size(); ++i)
    each.push_back(predicted[i] / measured[i] - 1);
  return median(std::move(each));
}

void print(const contender& c) {
  fmt::print("{}\n",
             nlohmann::ordered_json{{"model", c.model},
                                    {"wiring", c.wired.name},
                                    {"measured_ms", median(c.measured) * 1e3},
                                    {"by_profile_ms", median(c.by_profile) * 1e3},
                                    {"by_profile_error", error_of(c.by_profile, c.measured)},
                                    {"by_kernels_ms", median(c.by_kernels) * 1e3},
                                    {"by_kernels_error", error_of(c.by_kernels, c.measured)}}
                 .dump());
}

} // namespace

int main(int count, char** arguments) try {
  settings s;
  CLI::App app("Predicted step times beside measured ones, on this machine");
  app.add_option("--models", s.models, "lenet, cnn, resnet20")
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--data", s.data, "fashion-mnist, synthetic[:N], ...")->capture_default_str();
  app.add_option("--batch", s.batch, "images of a step")->capture_default_str();
  app.add_option("--microbatches", s.microbatches, "of a step")->capture_default_str();
  app.add_option("--seconds", s.seconds, "of each measurement")->capture_default_str();
  app.add_option(
         "--quantile", s.quantile, "of a run's steps; below 0.5 where others use the machine")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  app.add_option("--repeat", s.rounds, "rounds; medians count")->capture_default_str();
  try {
    app.parse(count, arguments);
  } catch (const CLI::ParseError& e) {
    return app.exit(e);
  }
  auto all = contenders(s, load_data(s.data, 1));
  for (int round = 0; round < s.rounds; ++round) {
    fmt::print(stderr, "round {} of {}\n", round + 1, s.rounds);
    measure_once(all, s);
  }
  for (const contender& c : all)
    print(c);

} catch (const std::exception& e) {

  fmt::print(stderr, "{}\n", e.what());
  return 2;
}
