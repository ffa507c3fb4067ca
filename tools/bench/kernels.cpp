// Speed of the CPU kernels: whole training steps on one thread, without actors.
//   bench_kernels [--model cnn] [--batch 128] [--microbatch 128] [--seconds 2] [--onednn]
//   [--profile]
//   cnn, batch 128, microbatch 128: 6004 images per CPU second (5954 to 6065), arena 41.9 MB
//   274 GFLOP/s = 131 % of the machine's sgemm, 209 GFLOP/s
// A step counts as three times the forward pass, convolutions as if computed directly: Winograd's
// need fewer multiplications, so more than 100 % is possible.
#include "ops/graph.hpp"
#include "ops/program.hpp"
#include "ops/random.hpp"

#include <fmt/format.h>
#include <omp.h>
#include <oneapi/dnnl/dnnl.h>

#include <algorithm>
#include <ctime>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using namespace troupe;

struct settings {
  std::string model = "cnn";
  std::int64_t batch = 128, microbatch = 0; // 0: the batch
  double seconds = 2;
  bool own_kernels = true, profile = false;
};

settings parse(int count, char** arguments) {
  settings s;
  for (int i = 1; i < count; ++i) {
    const std::string option = arguments[i];
    const auto value = [&] { return std::string(i + 1 < count ? arguments[++i] : ""); };
    if (option == "--model")
      s.model = value();
    else if (option == "--batch")
      s.batch = std::stoll(value());
    else if (option == "--microbatch")
      s.microbatch = std::stoll(value());
    else if (option == "--seconds")
      s.seconds = std::stod(value());
    else if (option == "--onednn")
      s.own_kernels = false;
    else if (option == "--profile")
      s.profile = true;
    else {
      throw std::invalid_argument("unknown option " + option);
    }
  }
  s.microbatch = s.microbatch == 0 ? s.batch : s.microbatch;
  return s;
}

tensor random_tensor(const shape& dims, std::uint32_t seed) {
  random_stream random(random_key{seed});
  mutable_tensor values = buffer_pool::global().take(dims);
  for (float& v : values.values())
    v = random.normal();
  return std::move(values).freeze();
}

tensor random_labels(std::int64_t n, std::uint32_t classes) {
  random_stream random(random_key{7});
  mutable_tensor values = buffer_pool::global().take(shape{n});
  for (float& v : values.values())
    v = static_cast<float>(random.below(classes));
  return std::move(values).freeze();
}

// Plain SGD with momentum as the actors that own parameters do it, on flat blocks.
class trainer final : public gradient_sink {
public:
  trainer(program& p, const settings& s) : program_(p), settings_(s) {
    parameters_ = initial_parameters(p.layout(), 1);
    for (const block_extent& block : p.layout().blocks)
      momentum_.emplace_back(static_cast<std::size_t>(block.size));
    sums_.resize(parameters_.size());
    input_ = random_tensor(shape{s.microbatch, 1, 28, 28}, 1);
    labels_ = random_labels(s.microbatch, 10);
  }

  void step() {
    program_.bind(parameters_);
    const std::int64_t microbatches = settings_.batch / settings_.microbatch;
    for (std::int64_t m = 0; m < microbatches; ++m) {
      first_ = m == 0;
      program_.forward(input_, {1, ++step_, static_cast<std::uint32_t>(m)});
      program_.compute_loss(softmax_cross_entropy{}, labels_, static_cast<double>(settings_.batch));
      program_.backward(*this);
    }
    for (std::size_t b = 0; b < parameters_.size(); ++b)
      update(b);
  }

  void on_gradient(int block, tensor gradient) override {
    tensor& sum = sums_[static_cast<std::size_t>(block)];
    if (first_) {
      sum = std::move(gradient);
      return;
    }
    auto* target = const_cast<float*>(sum.data()); // the only reader
    const float* added = gradient.data();
    for (std::int64_t i = 0; i < gradient.elements(); ++i)
      target[i] += added[i];
  }

private:
  void update(std::size_t block) {
    auto* weight = const_cast<float*>(parameters_[block].data()); // the only reader
    const float* gradient = sums_[block].data();
    float* momentum = momentum_[block].data();
    const std::int64_t n = program_.layout().blocks[block].trainable;
    for (std::int64_t i = 0; i < n; ++i) {
      momentum[i] = 0.9F * momentum[i] + gradient[i];
      weight[i] -= 0.01F * momentum[i];
    }
    sums_[block] = {};
  }

  program& program_;
  const settings& settings_;
  std::vector<tensor> parameters_, sums_;
  std::vector<std::vector<float>> momentum_;
  tensor input_, labels_;
  std::uint64_t step_ = 0;
  bool first_ = true;
};

// CPU time of this thread: what others do on the machine counts less than on the clock at the wall.
double thread_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

double seconds_of(trainer& t, int steps) {
  const double start = thread_seconds();
  for (int i = 0; i < steps; ++i)
    t.step();
  return thread_seconds() - start;
}

// GFLOP/s of oneDNN's matrix product on this thread: what the machine can do.
double sgemm_gflops() {
  constexpr int n = 1024;
  static const std::vector<float> a(n * n, 0.5F), b(n * n, 0.25F);
  static std::vector<float> c(n * n);
  const double start = thread_seconds();
  constexpr int repeats = 10;
  for (int i = 0; i < repeats; ++i)
    dnnl_sgemm('N', 'N', n, n, n, 1.0F, a.data(), n, b.data(), n, 0.0F, c.data(), n);
  return 2e-9 * n * n * n * repeats / (thread_seconds() - start);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

} // namespace

int main(int count, char** arguments) try {
  const settings s = parse(count, arguments);
  omp_set_num_threads(1);
  const graph g = build_graph(model_by_name(s.model, 10), shape{1, 28, 28});
  const auto p = compile_cpu(g, {.microbatch = s.microbatch, .own_kernels = s.own_kernels});
  trainer t(*p, s);
  seconds_of(t, 3);
  constexpr int repeats = 5;
  const double once = seconds_of(t, 3) / 3;
  const int steps = std::max(1, static_cast<int>(s.seconds / repeats / once));
  p->profile(s.profile);
  std::vector<double> speeds, peaks;
  for (int i = 0; i < repeats; ++i) {
    speeds.push_back(steps * static_cast<double>(s.batch) / seconds_of(t, steps));
    peaks.push_back(sgemm_gflops());
  }
  if (s.profile) {
    for (const kernel_time& k : p->profile())
      fmt::print("{:<70} {:9.1f} us\n", k.name, k.seconds / (steps * repeats) * 1e6);
  }
  fmt::print("{}, batch {}, microbatch {}: {:.0f} images per CPU second ({:.0f} to {:.0f}), arena "
             "{:.1f} MB\n",
             s.model,
             s.batch,
             s.microbatch,
             median(speeds),
             *std::min_element(speeds.begin(), speeds.end()),
             *std::max_element(speeds.begin(), speeds.end()),
             static_cast<double>(p->memory_bytes()) / 1e6);
  const double done = 3e-9 * static_cast<double>(g.flops()) * median(speeds);
  fmt::print("{:.0f} GFLOP/s = {:.0f} % of the machine's sgemm, {:.0f} GFLOP/s\n",
             done,
             100 * done / median(peaks),
             median(peaks));

} catch (const std::exception& e) {

  fmt::print(stderr, "error: {}\n", e.what());
  return 2;
}
