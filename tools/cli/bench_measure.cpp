#include "cli/bench_measure.hpp"

#include "ops/optimizer.hpp"
#include "ops/program.hpp"
#include "troupe/cluster.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <array>
#include <chrono>
#include <cstdio>
#include <future>
#include <limits>
#include <memory>
#include <variant>

namespace troupe::cli {

namespace {

double now() {
  const auto since = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(since).count();
}

job job_of_case(const bench_case& c, const data_split& data) {
  job out;
  out.model = model_by_name(c.model, data.train->classes);
  out.data = {.train = data.train, .test = nullptr, .validation = nullptr};
  out.optimizer = sgd{.momentum = 0.9F};
  out.learning_rate = {.base = 0.01F};
  out.batch = c.batch;
  out.microbatches = static_cast<std::uint32_t>(c.replicas);
  out.epochs = 0;
  out.steps = std::numeric_limits<std::int32_t>::max();
  return out;
}

class discarded_gradients : public gradient_sink {
public:
  void on_gradient(int, tensor) override {}
};

// What peers call the model, and its mode and variant.
std::string peer_command(const bench_case& c, const std::string& folder, const bench_time& t) {
  const std::string model = c.model == "lenet" ? "a512" : c.model == "cnn" ? "b" : "c";
  const bool ddp = c.who == contender::peer_ddp_clean || c.who == contender::peer_ddp_best;
  const bool best = c.who == contender::peer_best || c.who == contender::peer_ddp_best;
  return fmt::format("/usr/bin/python3 '{}/train.py' --model {} --batch {} --mode {} --workers {} "
                     "--env {} --variant {} --reps 1 --seconds {}",
                     folder,
                     model,
                     c.batch,
                     ddp ? "ddp" : "single",
                     c.replicas,
                     best ? "best" : "clean",
                     best ? "cl" : "eager",
                     t.seconds);
}

std::string output_of(const std::string& command) {
  struct closer {
    void operator()(std::FILE* file) const { pclose(file); }
  };

  const std::unique_ptr<std::FILE, closer> pipe(popen(command.c_str(), "r"));
  std::string out;
  std::array<char, 4096> part{};
  while (pipe && std::fgets(part.data(), part.size(), pipe.get()) != nullptr)
    out += part.data();
  return out;
}

} // namespace

double measure_troupe(const bench_case& c, const data_split& data, const bench_time& t) {
  const wiring w = data_parallel(job_of_case(c, data), {.replicas = c.replicas});
  std::promise<double> measured;
  std::future<double> rate = measured.get_future();
  double from = 0;
  std::int64_t first = -1;
  bool done = false;
  run_options options;
  options.evaluate = false;
  options.observer = [&](const run_event& event) {
    const auto* step = std::get_if<step_event>(&event);
    if (step == nullptr || done || step->step < t.warm_up_steps) return;
    const double at = now();
    if (first < 0) {
      first = step->step;
      from = at;
    } else if (at - from >= t.seconds) {
      done = true;
      measured.set_value(static_cast<double>((step->step - first) * c.batch) / (at - from));
    }
  };
  run going = cluster{}.start(w, std::move(options));
  const auto patience = std::chrono::duration<double>(60 + 20 * t.seconds);
  const bool came = rate.wait_for(patience) == std::future_status::ready;
  going.stop();
  going.wait();
  if (!came)
    throw error({.what = fmt::format("{} took too long to measure", c.model),
                 .where = "troupe bench",
                 .why = fmt::format("no {} s of steps in {} s", t.seconds, patience.count()),
                 .help = "--seconds 1, or a smaller --batch"});
  return rate.get();
}

double measure_kernels(const bench_case& c, const data_split& data, const bench_time& t) {
  const job j = job_of_case(c, data);
  const graph g = graph_of(j);
  const auto program = compile_cpu(g, {.microbatch = c.batch, .training = true});
  const auto parameters = initial_parameters(program->layout(), 1);
  microbatch_reader reader(
      data.train, {.batch = c.batch}, {}, j.loss, static_cast<int>(g.output().elements()));
  const microbatch_data batch = reader.read(0, 0);
  discarded_gradients sink;
  double from = now();
  for (std::int64_t step = 0;; ++step) {
    if (step == t.warm_up_steps) from = now();
    if (step > t.warm_up_steps && now() - from >= t.seconds)
      return static_cast<double>((step - t.warm_up_steps) * c.batch) / (now() - from);
    program->bind(parameters); // they are new in every step
    program->forward(batch.inputs, {1, static_cast<std::uint64_t>(step), 0});
    program->compute_loss(j.loss, batch.targets, batch.normaliser);
    program->backward(sink);
  }
}

double measure_peer(const bench_case& c, const std::string& folder, const bench_time& t) {
  const std::string command = peer_command(c, folder, t);
  const std::string said = output_of(command);
  const auto begin = said.find('{'), end = said.rfind('}');
  if (begin != std::string::npos && end != std::string::npos && end > begin) {
    const auto object = nlohmann::json::parse(said.substr(begin, end - begin + 1), nullptr, false);
    if (object.is_object() && object.contains("images_per_s"))
      return object["images_per_s"].get<double>();
  }
  throw error({.what = "the peer did not answer",
               .where = command,
               .why = said.empty() ? "it printed nothing" : said.substr(0, 300),
               .help = "run the command by hand; it needs Debian's python3-torch"});
}

} // namespace troupe::cli
