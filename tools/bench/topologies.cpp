// What topologies cost: how near a pipeline comes to its bound, whether all-reduce keeps up with a
// single holder, what many actors lose to few, and what a second asynchronous worker adds. Every
// round measures everyone in turn; a ratio is the median of its rounds' ratios. One table and one
// line of JSON for each experiment.
//
// A topology of another kind is one more function here that returns an experiment, and its line in
// main.
#include "bench/topology_measure.hpp"
#include "troupe/topology.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace troupe;
using namespace troupe::bench;

struct settings {
  std::vector<std::string> models = {"lenet", "cnn", "resnet20"};
  std::string data = "synthetic";
  std::string schedule = "1f1b";
  std::vector<std::string> only; // experiments; empty: all
  std::string peers;             // folder with train.py; empty: none are measured
  std::int64_t batch = 128;
  double seconds = 2;
  int rounds = 5;
};

struct contender {
  std::string name;
  std::function<double()> images_per_second;
};

// What `over` reaches of `factor` times `under`; `goal` 0: none.
struct ratio {
  std::string name;
  std::size_t over = 0, under = 0;
  double factor = 1;
  double goal = 0;
};

struct experiment {
  std::string name, model;
  std::vector<contender> contenders;
  std::vector<ratio> ratios;
};

job job_of(const settings& s, const std::string& model, const data_split& data, unsigned parts) {
  job out;
  out.model = model_by_name(model, data.train->classes);
  out.data.train = data.train;
  out.optimizer = sgd{.momentum = 0.9F};
  out.learning_rate = {.base = 0.01F};
  out.batch = s.batch;
  out.microbatches = parts;
  out.steps = std::numeric_limits<std::int32_t>::max();
  return out;
}

contender troupe_wiring(const settings& s, std::string name, wiring w) {
  return {std::move(name),
          [w = std::move(w), seconds = s.seconds] { return images_per_second(w, seconds); }};
}

contender peer(const settings& s, const experiment& e, const char* mode) {
  static const std::map<std::string, std::string> names = {
      {"lenet", "a512"}, {"cnn", "b"}, {"resnet20", "c"}};
  const auto command =
      fmt::format("timeout 120 /usr/bin/python3 '{}/train.py' --model {} --batch {} --mode {} "
                  "--micro 8 --reps 1 --seconds {}",
                  s.peers,
                  names.at(e.model),
                  s.batch,
                  mode,
                  s.seconds);
  return {fmt::format("PyTorch {}", mode), [command] {
            try {
              return images_per_second_of_peer(command);
            } catch (const error& silent) { // the others are worth their numbers
              fmt::print(stderr, "{}\n", silent.what());
              return std::nan("");
            }
          }};
}

// `ours` over each of the peers.
void add_peers(const settings& s,
               experiment& e,
               std::size_t ours,
               std::initializer_list<const char*> modes) {
  if (s.peers.empty()) return;
  for (const char* mode : modes) {
    e.ratios.push_back(
        {fmt::format("{} / PyTorch {}", e.contenders[ours].name, mode), ours, e.contenders.size()});
    e.contenders.push_back(peer(s, e, mode));
  }
}

// A pipeline of two stages against twice the speed of one replica, less the bubble of its schedule:
// once as if both stages took equally long, once with the measured times of the two.
experiment pipeline_of_two(const settings& s, const std::string& model, const data_split& data) {
  const job j = job_of(s, model, data, 8);
  const schedule_times pieces = seconds_of_pieces(j);
  hybrid_options options{.stages = 2, .holders = 1, .schedule = s.schedule};
  options.chunks = s.schedule == "interleaved" ? 2 : 1;
  const schedule order =
      named_schedule(s.schedule, 2, 2 * options.chunks, static_cast<std::uint32_t>(j.microbatches));
  const double even = 2 * (1 - bubble_fraction(order, uniform_times(order.parts)));

  experiment out{fmt::format("pipeline of 2, 8 microbatches, {}", s.schedule), model, {}, {}};
  out.contenders.push_back(troupe_wiring(s, "one replica", data_parallel(j, {.holders = 1})));
  const auto add = [&](const std::string& name) {
    const wiring w = hybrid(j, options);
    const double uneven = 2 * (1 - bubble_fraction(order, seconds_of_parts(w, pieces)));
    const auto here = out.contenders.size();
    out.ratios.push_back({name + " / one replica", here});
    out.ratios.push_back({name + " / bound, even stages", here, 0, even});
    out.ratios.push_back({name + " / bound, stages as measured", here, 0, uneven});
    out.contenders.push_back(troupe_wiring(s, name, w));
  };
  add("cut by FLOPs");
  for (std::size_t i = 0; i < pieces.forward.size(); ++i)
    options.piece_costs.push_back(pieces.forward[i] + pieces.backward_input[i] +
                                  pieces.backward_weights[i]);
  add("cut by time");
  add_peers(s, out, 2, {"pipe_p2p", "pipe_sync"});
  return out;
}

experiment all_reduce(const settings& s, const std::string& model, const data_split& data) {
  const job j = job_of(s, model, data, 2);
  experiment out{"all-reduce, 2 replicas", model, {}, {}};
  out.contenders.push_back(
      troupe_wiring(s, "one holder", data_parallel(j, {.replicas = 2, .holders = 1})));
  out.contenders.push_back(troupe_wiring(s, "a holder each", data_parallel(j, {.replicas = 2})));
  out.ratios.push_back({"a holder each / one holder", 1, 0, 1, 0.97});
  add_peers(s, out, 0, {"ps"}); // asynchronous, so not the same work: it waits for nobody
  add_peers(s, out, 1, {"ddp"});
  return out;
}

// 64 microbatches, each computed by a layer shard of its own or all by two.
experiment many_replicas(const settings& s, const std::string& model, const data_split& data) {
  job j = job_of(s, model, data, 64);
  j.batch = 4 * s.batch;
  experiment out{"64 layer shards against 2, 64 microbatches", model, {}, {}};
  for (const int replicas : {2, 64})
    out.contenders.push_back(troupe_wiring(s,
                                           fmt::format("{} replicas", replicas),
                                           data_parallel(j, {.replicas = replicas, .holders = 2})));
  out.ratios.push_back({"64 replicas / 2 replicas", 1, 0, 1, 0.90});
  return out;
}

// The same number of layer shards, as deep pipelines: boundary values are written besides.
experiment many_stages(const settings& s, const std::string& model, const data_split& data) {
  const job j = job_of(s, model, data, 16);
  experiment out{"64 layer shards against 2, 16 microbatches", model, {}, {}};
  out.contenders.push_back(
      troupe_wiring(s, "2 x 1 shards", data_parallel(j, {.replicas = 2, .holders = 2})));
  out.contenders.push_back(
      troupe_wiring(s, "16 x 4 shards", hybrid(j, {.replicas = 16, .stages = 4, .holders = 2})));
  out.ratios.push_back({"16 x 4 shards / 2 x 1 shards", 1, 0});
  return out;
}

// Asynchronous workers wait for nobody: the second one is worth a core.
experiment
asynchronous_workers(const settings& s, const std::string& model, const data_split& data) {
  const job j = job_of(s, model, data, 2);
  experiment out{"parameter server, asynchronous", model, {}, {}};
  for (const int workers : {1, 2})
    out.contenders.push_back(troupe_wiring(
        s, workers == 1 ? "1 worker" : "2 workers", parameter_server(j, {.workers = workers})));
  out.ratios.push_back({"2 workers / 1 worker", 1, 0});
  add_peers(s, out, 1, {"ps"});
  return out;
}

// By the names of --only.
using maker = experiment (*)(const settings&, const std::string&, const data_split&);
const std::vector<std::pair<std::string, maker>> experiments = {
    {"pipeline", pipeline_of_two},
    {"all-reduce", all_reduce},
    {"replicas", many_replicas},
    {"stages", many_stages},
    {"parameter-server", asynchronous_workers}};

double median(std::vector<double> values) {
  if (std::any_of(values.begin(), values.end(), [](double x) { return std::isnan(x); }))
    return std::nan("");
  std::nth_element(values.begin(), values.begin() + std::ssize(values) / 2, values.end());
  return values[values.size() / 2];
}

void measure(const experiment& e, int rounds) {
  fmt::print(
      "{}: {}\n{:36} {:>10} {:>9} {:>9}\n", e.model, e.name, "", "images/s", "lowest", "highest");
  std::vector<std::vector<double>> rates(e.contenders.size());
  for (int round = 0; round < rounds; ++round)
    for (std::size_t c = 0; c < rates.size(); ++c)
      rates[c].push_back(e.contenders[c].images_per_second());

  nlohmann::json line{{"experiment", e.name}, {"model", e.model}};
  for (std::size_t c = 0; c < rates.size(); ++c) {
    const auto [low, high] = std::minmax_element(rates[c].begin(), rates[c].end());
    const double middle = median(rates[c]);
    fmt::print("  {:34} {:10.0f} {:9.0f} {:9.0f}\n", e.contenders[c].name, middle, *low, *high);
    line["images_per_s"][e.contenders[c].name] = middle;
  }
  for (const ratio& r : e.ratios) {
    std::vector<double> each;
    for (std::size_t round = 0; round < rates[r.over].size(); ++round)
      each.push_back(rates[r.over][round] / (r.factor * rates[r.under][round]));
    const double middle = median(each);
    const std::string factor = r.factor == 1 ? "" : fmt::format(" x {:.2f}", r.factor);
    const std::string goal =
        r.goal == 0
            ? ""
            : fmt::format("   goal {:.2f}   {}", r.goal, middle >= r.goal ? "reached" : "missed");
    fmt::print("  {:48} {:6.3f}{}\n", r.name + factor, middle, goal);
    line["ratios"][r.name] = {{"ratio", middle}, {"factor", r.factor}};
  }
  fmt::print("{}\n\n", line.dump());
  std::fflush(stdout);
}

} // namespace

int main(int count, char** arguments) try {
  settings s;
  CLI::App app(
      "What topologies cost: pipeline against its bound, all-reduce, many actors, workers");
  app.add_option("--models", s.models, "lenet, cnn, resnet20")
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--data", s.data, "fashion-mnist, synthetic[:N], ...")->capture_default_str();
  app.add_option("--schedule", s.schedule, "of the pipeline")->capture_default_str();
  app.add_option("--batch", s.batch, "a multiple of 16")->capture_default_str();
  app.add_option("--seconds", s.seconds, "of each measurement")->capture_default_str();
  app.add_option("--repeat", s.rounds, "rounds; medians count")->capture_default_str();
  std::vector<std::string> names;
  for (const auto& [name, make] : experiments)
    names.push_back(name);
  app.add_option("--only", s.only, "experiments; all without it")
      ->delimiter(',')
      ->check(CLI::IsMember(names));
  app.add_option("--peers", s.peers, "folder with PyTorch's train.py");
  try {
    app.parse(count, arguments);
  } catch (const CLI::ParseError& e) {
    return app.exit(e);
  }
  const data_split data = load_data(s.data, 1);
  for (const auto& model : s.models)
    for (const auto& [name, make] : experiments)
      if (s.only.empty() || std::find(s.only.begin(), s.only.end(), name) != s.only.end())
        measure(make(s, model, data), s.rounds);

} catch (const std::exception& e) {

  fmt::print(stderr, "{}\n", e.what());
  return 2;
}
