#include "bench/topology_measure.hpp"

#include "ops/data/sampler.hpp"
#include "ops/program.hpp"
#include "troupe/cluster.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <future>
#include <memory>
#include <numeric>

namespace troupe::bench {

namespace {

constexpr std::int64_t warm_up_steps = 6;
constexpr int microbatches_timed = 15, microbatches_warm = 3;

double now() {
  const auto since = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(since).count();
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + std::ssize(values) / 2, values.end());
  return values[values.size() / 2];
}

struct discarded final : gradient_sink {
  void on_gradient(int, tensor) override {}
};

// Every piece of a model as a part of its own, in one thread.
class piece_programs {
public:
  explicit piece_programs(const job& j) : graph_(graph_of(j)) {
    compile_options options{.microbatch = j.batch / j.microbatches, .split_backward = true};
    options.part_of_piece.resize(pieces_of(graph_, options).size());
    std::iota(options.part_of_piece.begin(), options.part_of_piece.end(), 0);
    for (; options.part < std::ssize(options.part_of_piece); ++options.part)
      programs_.push_back(compile_cpu(graph_, options));
    const auto parameters = initial_parameters(programs_.front()->layout(), j.seed);
    for (const auto& p : programs_)
      p->bind(parameters);
  }

  [[nodiscard]] std::size_t count() const { return programs_.size(); }

  [[nodiscard]] int outputs() const { return static_cast<int>(graph_.output().elements()); }

  // Seconds of each, in the order of execution.
  template <class Pass>
  std::vector<double> timed(bool from_the_front, const Pass& pass) {
    std::vector<double> out(count());
    for (std::size_t i = 0; i < count(); ++i) {
      const std::size_t at = from_the_front ? i : count() - 1 - i;
      handing_on values(*this);
      const double begin = now();
      pass(*programs_[at], values);
      out[at] = now() - begin;
    }
    return out;
  }

private:
  struct handing_on final : value_sink {
    explicit handing_on(piece_programs& p) : all(p) {}

    void on_value(int crossing, tensor value) override {
      const auto to = all.programs_.front()->crossings()[static_cast<std::size_t>(crossing)].to;
      all.programs_[static_cast<std::size_t>(to)]->receive(crossing, value);
    }

    piece_programs& all;
  };

  graph graph_;
  std::vector<std::unique_ptr<program>> programs_;
};

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

namespace {

// When steps were committed, after the first few, for so many seconds at least.
std::vector<double> times_of_steps(const wiring& w, double seconds) {
  std::promise<void> measured;
  std::future<void> ended = measured.get_future();
  std::vector<double> times;
  bool done = false;
  run going = cluster{}.start(w, {.evaluate = false, .observer = [&](const run_event& event) {
                                    const auto* step = std::get_if<step_event>(&event);
                                    if (step == nullptr || done || step->step < warm_up_steps)
                                      return;
                                    times.push_back(now());
                                    done = times.back() - times.front() >= seconds;
                                    if (done) measured.set_value();
                                  }});
  const auto patience = std::chrono::duration<double>(60 + 20 * seconds);
  const bool came = ended.wait_for(patience) == std::future_status::ready;
  going.stop();
  going.wait();
  if (!came)
    throw error({.what = fmt::format("{} took too long to measure", w.name),
                 .why = fmt::format("no {} s of steps in {} s", seconds, patience.count()),
                 .help = "--seconds 1, or a smaller --batch"});
  return times;
}

} // namespace

double images_per_second(const wiring& w, double seconds) {
  const auto times = times_of_steps(w, seconds);
  return static_cast<double>((std::ssize(times) - 1) * w.job.batch) /
         (times.back() - times.front());
}

double seconds_of_step(const wiring& w, double seconds, double quantile) {
  constexpr std::size_t of_each_worker = 4;
  const auto times = times_of_steps(w, seconds);
  const std::size_t length =
      w.order.as_they_come()
          ? std::min(of_each_worker * static_cast<std::size_t>(w.workers()), times.size() - 1)
          : 1;
  std::vector<double> each;
  for (std::size_t i = length; i < times.size(); ++i)
    each.push_back((times[i] - times[i - length]) / static_cast<double>(length));
  const auto place =
      each.begin() + static_cast<std::ptrdiff_t>(quantile * static_cast<double>(each.size() - 1));
  std::nth_element(each.begin(), place, each.end());
  return *place;
}

schedule_times seconds_of_pieces(const job& j) {
  piece_programs pieces(j);
  microbatch_reader reader(j.data.train,
                           {.batch = j.batch, .microbatches = j.microbatches},
                           {},
                           j.loss,
                           pieces.outputs());
  const microbatch_data batch = reader.read(0, 0);
  std::vector<std::vector<double>> forward(pieces.count()), inputs(pieces.count()),
      weights(pieces.count());
  const auto note = [](std::vector<std::vector<double>>& all, const std::vector<double>& seconds) {
    for (std::size_t i = 0; i < all.size(); ++i)
      all[i].push_back(seconds[i]);
  };
  discarded sink;
  for (int m = 0; m < microbatches_warm + microbatches_timed; ++m) {
    const auto first = pieces.timed(true, [&](program& p, value_sink& values) {
      p.forward(p.reads_input() ? batch.inputs : tensor{}, {1, 0, 0}, values);
      if (p.computes_loss()) p.compute_loss(j.loss, batch.targets, batch.normaliser);
    });
    const auto second = pieces.timed(false, [&](program& p, value_sink& values) {
      p.backward(sink, values, gradients::inputs);
    });
    const auto third = pieces.timed(true, [&](program& p, value_sink& values) {
      p.backward(sink, values, gradients::weights);
    });
    if (m < microbatches_warm) continue;
    note(forward, first);
    note(inputs, second);
    note(weights, third);
  }
  schedule_times out;
  for (std::size_t i = 0; i < pieces.count(); ++i) {
    out.forward.push_back(median(forward[i]));
    out.backward_input.push_back(median(inputs[i]));
    out.backward_weights.push_back(median(weights[i]));
  }
  return out;
}

schedule_times seconds_of_parts(const wiring& w, const schedule_times& pieces) {
  schedule_times out;
  std::ptrdiff_t at = 0;
  for (const model_part& part : w.parts) {
    const auto sum = [&](const std::vector<double>& each) {
      return std::accumulate(each.begin() + at, each.begin() + at + part.pieces, 0.0);
    };
    out.forward.push_back(sum(pieces.forward));
    out.backward_input.push_back(sum(pieces.backward_input));
    out.backward_weights.push_back(sum(pieces.backward_weights));
    at += part.pieces;
  }
  return out;
}

double images_per_second_of_peer(const std::string& command) {
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

} // namespace troupe::bench
