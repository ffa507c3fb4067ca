#include "cli/bench_measure.hpp"
#include "cli/bench_table.hpp"
#include "cli/commands.hpp"
#include "cli/help.hpp"
#include "cli/mistakes.hpp"
#include "cli/progress.hpp"
#include "cli/train_options.hpp"
#include "cli/values.hpp"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace troupe::cli {

namespace {

struct bench_options {
  std::vector<std::string> models;
  std::vector<std::int64_t> batches, replicas;
  bench_time time;
  std::int64_t repeat = 5;
  std::string data, peers;
  bool json = false;
};

bench_options bench_options_of(const setting_values& values) {
  value_reader read(values);
  bench_options out;
  out.models = read.list("models");
  for (const std::string& name : out.models)
    if (std::find(model_names().begin(), model_names().end(), name) == model_names().end())
      read.add({.what = fmt::format("unknown model '{}'", name),
                .where = read.where("models"),
                .why = choice_text(model_names()) + " are known",
                .help = suggestion(name, model_names(), "choose some of them")});
  out.batches = read.whole_list("batch", 1);
  out.replicas = read.whole_list("replicas", 1);
  out.time.seconds = read.real("seconds", 0.05, 600);
  out.repeat = read.whole("repeat", 1, 1000);
  out.data = read.text("data");
  out.peers = read.text("peers");
  out.json = read.flag("json");
  for (const std::int64_t batch : out.batches)
    for (const std::int64_t replicas : out.replicas)
      if (batch % replicas != 0)
        read.add({.what = fmt::format("batch {} does not split into {} replicas", batch, replicas),
                  .where = fmt::format("--batch {} --replicas {}", batch, replicas),
                  .why = fmt::format(
                      "{} = {} x {} + {}", batch, replicas, batch / replicas, batch % replicas),
                  .help = fmt::format("--batch {}",
                                      std::max<std::int64_t>(batch / replicas, 1) * replicas)});
  if (!out.peers.empty() && ::access((out.peers + "/train.py").c_str(), R_OK) != 0)
    read.add({.what = "there are no peers to measure",
              .where = "--peers " + out.peers,
              .why = "its train.py cannot be read"});
  if (!read.wrong().empty()) throw mistakes(read.wrong());
  return out;
}

std::vector<bench_case> cases_of(const bench_options& o) {
  std::vector<bench_case> out;
  for (const std::string& model : o.models)
    for (const std::int64_t batch : o.batches)
      for (const std::int64_t r : o.replicas) {
        const int replicas = static_cast<int>(r);
        const auto add = [&](contender who) { out.push_back({model, batch, replicas, who}); };
        add(contender::troupe);
        if (replicas == 1) add(contender::kernels);
        if (o.peers.empty() || model == "mlp" || replicas > 2) continue;
        add(replicas == 1 ? contender::peer_clean : contender::peer_ddp_clean);
        add(replicas == 1 ? contender::peer_best : contender::peer_ddp_best);
      }
  return out;
}

double measure(const bench_case& c, const bench_options& o, const data_split& data) {
  if (c.who == contender::troupe) return measure_troupe(c, data, o.time);
  if (c.who == contender::kernels) return measure_kernels(c, data, o.time);
  return measure_peer(c, o.peers, o.time);
}

bench_samples measure_all(const bench_options& o, const data_split& data) {
  const std::vector<bench_case> cases = cases_of(o);
  const bool terminal = ::isatty(STDERR_FILENO) != 0;
  bench_samples out;
  for (std::int64_t round = 0; round < o.repeat; ++round)
    for (std::size_t i = 0; i < cases.size(); ++i) {
      const bench_case& c = cases[i];
      if (terminal)
        fmt::print(stderr,
                   "\r\x1b[Kround {}/{}  {} batch {} x {}: {}",
                   round + 1,
                   o.repeat,
                   c.model,
                   c.batch,
                   c.replicas,
                   contender_text(c.who));
      else if (i == 0)
        fmt::print(stderr, "round {}/{}\n", round + 1, o.repeat);
      out[c].push_back(measure(c, o, data));
    }
  if (terminal) fmt::print(stderr, "\r\x1b[K");
  return out;
}

// Of the largest process that was started and has ended.
std::uint64_t peak_memory_of_children() {
  rusage used{};
  getrusage(RUSAGE_CHILDREN, &used);
  return static_cast<std::uint64_t>(used.ru_maxrss) * 1024;
}

} // namespace

int bench(const command_line& line) {
  const bench_options o = bench_options_of(line.values);
  const data_split data = load_data_of(o.data, 0, 1, line.values.at("data").where);
  fmt::print(stderr, "{}\n", header_text());
  const bench_samples samples = measure_all(o, data);
  if (o.json) {
    for (const auto& [which, rates] : samples)
      fmt::print("{}\n", bench_json(which, rates));
    return exit_done;
  }
  fmt::print("{}", bench_table(samples));
  if (const std::string ratios = ratio_table(samples); !ratios.empty()) fmt::print("\n{}", ratios);
  fmt::print("\npeak memory of this process {}\n", bytes_text(peak_memory_bytes()));
  if (!o.peers.empty())
    fmt::print("peak memory of a peer's process {}\n", bytes_text(peak_memory_of_children()));
  return exit_done;
}

} // namespace troupe::cli
