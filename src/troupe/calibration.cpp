#include "troupe/calibration.hpp"

#include "actors/block_update.hpp"
#include "actors/runtime/live_world.hpp"
#include "ops/data/sampler.hpp"
#include "ops/program.hpp"
#include "ops/reduction_tree.hpp"
#include "ops/thread_time.hpp"
#include "troupe/kernel_costs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <future>
#include <memory>
#include <thread>
#include <utility>

namespace troupe {

namespace {

constexpr std::int64_t sum_elements = 1 << 19;                     // of a gradient block
constexpr std::int64_t handed_elements = 1 << 19;                  // of boundary values
constexpr std::int64_t images_read = 16, data_set_images = 10'000; // more than caches keep
constexpr double bytes_of_sum = 12, bytes_of_update = 24, bytes_of_pixel = 5, bytes_of_copy = 8;

double median(std::vector<double> values) {
  const auto middle = values.begin() + std::ssize(values) / 2;
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

job job_of(const std::string& name, std::int64_t images) {
  job out;
  out.data = load_data(fmt::format("synthetic:{}", 4 * images), 1);
  out.model = model_by_name(name, out.data.train->classes);
  out.batch = images;
  out.microbatches = 1;
  out.steps = 1;
  return out;
}

// As many digits as mean something.
double rounded(double value) {
  if (value == 0) return 0;
  const double scale = std::pow(10.0, 3 - std::floor(std::log10(std::abs(value))));
  return std::round(value * scale) / scale;
}

tensor values_of(std::int64_t elements) {
  return make_tensor({elements}, std::vector<float>(static_cast<std::size_t>(elements), 1.0F));
}

// Seconds of one `work`, by what this thread computes; the first is not counted.
template <class Work>
double seconds_of(double at_least, const Work& work) {
  work();
  std::vector<double> each;
  for (double all = 0; all < at_least || each.size() < 3;) {
    const double begin = thread_seconds();
    work();
    each.push_back(thread_seconds() - begin);
    all += std::max(each.back(), 1e-9);
  }
  return median(std::move(each));
}

// A whole training step of a microbatch, without actors.
class training_step {
public:
  explicit training_step(const job& j)
      : loss_(j.loss), program_(compile_cpu(graph_of(j), {.microbatch = j.batch})) {
    microbatch_reader reader(j.data.train,
                             {.batch = j.batch},
                             {},
                             j.loss,
                             static_cast<int>(graph_of(j).output().elements()));
    data_ = reader.read(0, 0);
    program_->bind(initial_parameters(program_->layout(), j.seed));
  }

  void run() {
    program_->forward(data_.inputs, {});
    program_->compute_loss(loss_, data_.targets, data_.normaliser);
    program_->backward(nobody_);
  }

private:
  struct discarding final : gradient_sink {
    void on_gradient(int, tensor) override {}
  };

  loss loss_;
  std::unique_ptr<program> program_;
  microbatch_data data_;
  discarding nobody_;
};

// Computes what it is given as layer shards do, on a kernel thread.
class computing_role final : public role_of<computing_role> {
public:
  computing_role(context& world, std::function<void()> work)
      : world_(world), work_(std::move(work)) {}

  void started() override {
    world_.compute(lane::kernels, [work = work_](computation&) { work(); });
  }

private:
  context& world_;
  std::function<void()> work_;
};

address shard(int number) {
  return {.role = role_kind::layer_shard, .replica = static_cast<std::uint16_t>(number)};
}

// Seconds of a training step where so many cores compute one at once.
double seconds_of_step(const job& j, int cores, double seconds) {
  std::vector<std::promise<double>> told(static_cast<std::size_t>(cores));
  std::atomic<int> ready{0};
  live_world world({.kernel_threads = cores});
  for (int i = 0; i < cores; ++i)
    world.add(shard(i), [&, i](context& c) {
      return std::make_unique<computing_role>(c, [&, &mine = told[static_cast<std::size_t>(i)]] {
        try {
          training_step step(j);
          step.run();
          ++ready;
          while (ready < cores)
            step.run();
          mine.set_value(seconds_of(seconds, [&] { step.run(); }));
        } catch (...) {
          ready = cores; // nobody waits for this one
          mine.set_exception(std::current_exception());
        }
      });
    });
  world.start();
  double all = 0;
  for (auto& each : told)
    all += each.get_future().get();
  world.stop();
  return all / cores;
}

// Bytes a second that pass a core which copies what another one has written: two cores in turn,
// each from the other's memory to its own.
double bytes_from_core_to_core(int cores, double seconds) {
  live_world world({.kernel_threads = cores});
  std::vector<std::vector<float>> memory(
      static_cast<std::size_t>(std::max(cores, 2)),
      std::vector<float>(static_cast<std::size_t>(handed_elements), 1.0F));
  std::vector<std::promise<double>> told(static_cast<std::size_t>(cores));
  std::atomic<int> turn{0};
  std::atomic<bool> done{false};
  for (int i = 0; i < cores; ++i)
    world.add(shard(i), [&, i](context& c) {
      return std::make_unique<computing_role>(c, [&, i] {
        std::vector<float>& own = memory[static_cast<std::size_t>(i)];
        const auto& other = memory[static_cast<std::size_t>(i + 1) % memory.size()];
        std::vector<double> each;
        for (double all = 0; !done;) {
          if (turn != i) {
            std::this_thread::yield();
            continue;
          }
          const double begin = thread_seconds();
          std::copy(other.begin(), other.end(), own.begin());
          each.push_back(thread_seconds() - begin);
          all += each.back();
          if (all > seconds && each.size() > 3) done = true;
          turn = (i + 1) % cores;
        }
        each.push_back(INFINITY);
        told[static_cast<std::size_t>(i)].set_value(median(std::move(each)));
      });
    });
  world.start();
  double fastest = INFINITY;
  for (auto& each : told)
    fastest = std::min(fastest, each.get_future().get());
  world.stop();
  return bytes_of_copy * handed_elements / fastest;
}

// Two of them throw a message to and fro; or one computes nothing, time and again.
class juggler final : public role_of<juggler> {
public:
  juggler(context& world, address to, std::int64_t count, bool computes, std::promise<double>& told)
      : world_(world), to_(to), left_(count), computes_(computes), count_(count), told_(told) {}

  void on(const protocol::want_batch& m) {
    if (left_ == count_) began_ = world_.now();
    if (left_-- == 0)
      return told_.set_value(std::chrono::duration<double>(world_.now() - began_).count() /
                             static_cast<double>(count_));
    if (left_ < 0) return;
    if (computes_)
      world_.compute(lane::updates, [m](computation& here) { here.post(m); });
    else
      world_.send(to_, m);
  }

private:
  context& world_;
  address to_;
  std::int64_t left_;
  bool computes_;
  std::int64_t count_;
  std::chrono::nanoseconds began_{0};
  std::promise<double>& told_;
};

// Seconds from message to message.
double seconds_of_round(std::int64_t count, bool computes) {
  live_world world({.kernel_threads = 1});
  std::promise<double> told, never;
  world.add(shard(0), [&](context& c) {
    return std::make_unique<juggler>(c, shard(1), count, computes, told);
  });
  world.add(shard(1), [&](context& c) {
    return std::make_unique<juggler>(c, shard(0), 2 * count + 2, false, never);
  });
  world.start();
  world.send(shard(0), protocol::want_batch{});
  const double out = told.get_future().get();
  world.stop();
  return out;
}

class calibrating {
public:
  explicit calibrating(const calibration_options& o) : options_(o) {}

  machine_profile measure() {
    out_.cores = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
    measure_kernels();
    measure_memory();
    measure_updates();
    measure_contention();
    measure_messages();
    for (double* rate : {&out_.flops_per_second,
                         &out_.bytes_per_second,
                         &out_.sum_bytes_per_second,
                         &out_.update_bytes_per_second,
                         &out_.read_bytes_per_second})
      *rate = rounded(*rate);
    for (double& factor : out_.busy)
      factor = rounded(factor);
    return std::move(out_);
  }

private:
  void say(const std::string& what) const {
    if (options_.say) options_.say(what);
  }

  void measure_kernels() {
    double flops = 0, seconds = 0;
    for (const std::string& name : options_.models)
      for (const std::int64_t images : options_.images) {
        say(fmt::format("kernels of {}, {} images", name, images));
        const job j = job_of(name, images);
        auto kernels = kernels_of(j);
        const auto costs = measured_costs(j, options_.rounds);
        for (std::size_t i = 0; i < kernels.size(); ++i) {
          auto& k = kernels[i];
          k.bind = rounded(costs[i].bind);
          k.forward = rounded(costs[i].forward);
          k.backward_inputs = rounded(costs[i].backward_inputs);
          k.backward_weights = rounded(costs[i].backward_weights);
          flops += 3 * k.flops * static_cast<double>(images);
          seconds += k.flops > 0 ? costs[i].all() : 0;
          add(k);
        }
      }
    if (seconds > 0) out_.flops_per_second = flops / seconds;
  }

  // Layers of one size may come several times, in one model or two.
  void add(const kernel_rate& k) {
    const auto same = [&](const kernel_rate& other) {
      return other.layers == k.layers && other.images == k.images && other.flops == k.flops &&
             other.elements == k.elements;
    };
    if (std::none_of(out_.kernels.begin(), out_.kernels.end(), same)) out_.kernels.push_back(k);
  }

  void measure_memory() {
    say("memory, sums and reading");
    out_.bytes_per_second = bytes_from_core_to_core(std::min(out_.cores, 2), options_.seconds);
    const auto a = values_of(sum_elements), b = values_of(sum_elements);
    out_.sum_bytes_per_second =
        bytes_of_sum * sum_elements / seconds_of(options_.seconds, [&] { (void)sum(a, b); });
    const auto data = load_data(fmt::format("synthetic:{}", data_set_images), 1).train;
    microbatch_reader reader(
        data, {.batch = images_read}, {}, softmax_cross_entropy{}, data->classes);
    const auto steps = static_cast<std::uint64_t>(reader.steps_per_epoch());
    std::uint64_t step = 0;
    out_.read_bytes_per_second =
        bytes_of_pixel * static_cast<double>(images_read * data->image.elements()) /
        seconds_of(options_.seconds, [&] { reader.read(step++ % steps, 0); });
  }

  // The optimizer that is `troupe train`'s default, on the largest block of the first model.
  void measure_updates() {
    say("updates");
    const job j = job_of("cnn", 1);
    const auto layout = compile_cpu(graph_of(j), {.microbatch = 1})->layout();
    int largest = 0;
    for (std::size_t b = 0; b < layout.blocks.size(); ++b)
      if (layout.blocks[b].size > layout.blocks[static_cast<std::size_t>(largest)].size)
        largest = static_cast<int>(b);
    const auto size = layout.blocks[static_cast<std::size_t>(largest)].size;
    block_update update;
    update.rule = sgd{.momentum = 0.9F, .nesterov = true, .weight_decay = 5e-4F};
    update.block =
        std::make_shared<block_rule>(layout, largest, update.rule, std::vector<tensor>{});
    update.old_parameters = values_of(size);
    update.gradient = values_of(size);
    update.addend = values_of(size);
    const double seconds = seconds_of(options_.seconds, [&] {
      update.new_parameters = buffer_pool::global().take(shape{size});
      update.run(0, update.block->chunks.size());
      update.old_parameters = std::move(update.new_parameters).freeze();
    });
    out_.update_bytes_per_second = bytes_of_update * static_cast<double>(size) / seconds;
  }

  void measure_contention() {
    const job j = job_of("cnn", images_read);
    std::vector<int> counts = options_.busy;
    for (int n = 1; options_.busy.empty() && n < 2 * out_.cores; n *= 2)
      counts.push_back(std::min(n, out_.cores));
    double alone = 0;
    for (const int n : counts) {
      say(fmt::format("{} of {} cores at work", n, out_.cores));
      const double seconds = seconds_of_step(j, n, options_.seconds);
      if (alone == 0) alone = seconds;
      const double from = out_.busy.empty() ? 1 : out_.busy.back();
      const double to = std::max(seconds / alone, from);
      const auto known = static_cast<int>(out_.busy.size());
      for (int i = known + 1; i <= n; ++i) // between two that are measured: on a line
        out_.busy.push_back(from + (to - from) * (i - known) / (n - known));
    }
  }

  void measure_messages() {
    say("messages between actors");
    const auto count = static_cast<std::int64_t>(std::max(100.0, options_.seconds * 20'000));
    const auto best = [&](bool computes) {
      double out = INFINITY;
      for (int round = 0; round < 5; ++round)
        out = std::min(out, seconds_of_round(count, computes));
      return out;
    };
    const double there_and_back = best(false), computed = best(true);
    const auto nanoseconds = [](double seconds) {
      return std::chrono::nanoseconds(std::llround(seconds * 1e9));
    };
    out_.message = nanoseconds(there_and_back / 2);
    out_.overhead = nanoseconds(computed);
  }

  const calibration_options& options_;
  machine_profile out_;
};

} // namespace

machine_profile calibrate(const calibration_options& options) {
  return calibrating(options).measure();
}

} // namespace troupe
