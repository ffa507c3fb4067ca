// A block evaluates a row in double, as the CPU does: each thread every 128th output in order, then
// a tree over the threads.
#include "gpu/cuda/kernels.hpp"
#include "gpu/cuda/launch.cuh"
#include "ops/loss_terms.hpp"

#include <variant>

namespace troupe::gpu::cuda::launch {

namespace {

constexpr int row_threads = 128; // a power of two

// What all threads of the block have, for each of them.
template <class Value, class Combine>
__device__ Value over_block(Value mine, Combine combine) {
  __shared__ Value all[row_threads];
  __syncthreads(); // the result of before has been read
  all[threadIdx.x] = mine;
  for (unsigned half = row_threads / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) all[threadIdx.x] = combine(all[threadIdx.x], all[threadIdx.x + half]);
  }
  __syncthreads();
  return all[0];
}

// use(c) for the outputs of this thread.
template <class Use>
__device__ void each_output(std::int64_t outputs, const Use& use) {
  for (std::int64_t c = threadIdx.x; c < outputs; c += row_threads)
    use(c);
}

template <class Function>
__device__ double sum_over(std::int64_t outputs, const Function& f) {
  double mine = 0;
  each_output(outputs, [&](std::int64_t c) { mine += f(c); });
  return over_block(mine, [](double a, double b) { return a + b; });
}

struct maximum {
  float value;
  std::int64_t at;
};

// As std::max_element has it: the first of equals; a NaN only where the row begins with one.
__device__ maximum maximum_of(const float* row, std::int64_t outputs) {
  maximum mine{row[0], 0};
  each_output(outputs, [&](std::int64_t c) {
    if (mine.value < row[c]) mine = {row[c], c};
  });
  return over_block(mine, [](const maximum& a, const maximum& b) {
    return a.value < b.value || (a.value == b.value && b.at < a.at) ? b : a;
  });
}

__global__ void
softmax_kernel(loss_rows r, double smoothing, double all_weights, row_loss* each, float* gradient) {
  const std::int64_t row = blockIdx.x;
  const float* const z = r.logits + row * r.outputs;
  const auto label = static_cast<std::int64_t>(r.targets[row]);
  const auto weight = [&](std::int64_t c) {
    return r.class_weights != nullptr ? double{r.class_weights[c]} : 1.0;
  };
  softmax_row terms(smoothing, static_cast<double>(r.outputs), weight(label), all_weights);
  const maximum top = maximum_of(z, r.outputs);
  const double total =
      sum_over(r.outputs, [&](std::int64_t c) { return std::exp(double{z[c]} - top.value); });
  terms.log_total = std::log(total) + top.value;
  double value = terms.value_of_label(z[label]);
  if (smoothing > 0)
    value +=
        sum_over(r.outputs, [&](std::int64_t c) { return terms.value_of_class(z[c], weight(c)); });
  if (threadIdx.x == 0) each[row] = {value, top.at == label ? 1.0 : 0.0};
  if (gradient == nullptr) return;
  each_output(r.outputs, [&](std::int64_t c) {
    const double slope = terms.slope(z[c], weight(c), c == label);
    gradient[row * r.outputs + c] = static_cast<float>(slope / r.normaliser);
  });
}

template <class Term>
__global__ void term_kernel(Term term, loss_rows r, row_loss* each, float* gradient) {
  const std::int64_t first = blockIdx.x * r.outputs;
  const float *const z = r.logits + first, *const t = r.targets + first;
  const bool correct = r.outputs > 1 && maximum_of(z, r.outputs).at == maximum_of(t, r.outputs).at;
  const double scale = 1.0 / static_cast<double>(r.outputs);
  const double value = sum_over(r.outputs, [&](std::int64_t c) {
    const loss_term at = term(z[c], t[c]);
    if (gradient != nullptr)
      gradient[first + c] = static_cast<float>(at.slope * scale / r.normaliser);
    return at.value * scale;
  });
  if (threadIdx.x == 0) each[blockIdx.x] = {value, correct ? 1.0 : 0.0};
}

// One block for each row.
template <class... Parameters, class... Arguments>
void run_rows(cudaStream_t on,
              std::int64_t rows,
              void (*kernel)(Parameters...),
              const Arguments&... arguments) {
  if (rows <= 0) return;
  kernel<<<static_cast<unsigned>(rows), row_threads, 0, on>>>(arguments...);
  check(cudaGetLastError(), "evaluate_loss");
}

struct with_kernel {
  cudaStream_t on;
  loss_rows rows;
  row_loss* each;
  float* gradient;

  void operator()(const softmax_cross_entropy& l) {
    if (l.class_weights.empty()) rows.class_weights = nullptr;
    const double all_weights = sum_of_class_weights(l, rows.outputs);
    const double smoothing = l.label_smoothing;
    run_rows(on, rows.n, softmax_kernel, rows, smoothing, all_weights, each, gradient);
  }

  void operator()(const mean_squared_error&) {
    run_rows(on, rows.n, term_kernel<squared_error>, squared_error{}, rows, each, gradient);
  }

  void operator()(const binary_cross_entropy_logits&) {
    run_rows(on, rows.n, term_kernel<logistic_error>, logistic_error{}, rows, each, gradient);
  }
};

} // namespace

void evaluate_loss(
    cudaStream_t on, const loss& l, const loss_rows& rows, row_loss* each, float* gradient) {
  std::visit(with_kernel{on, rows, each, gradient}, l);
}

} // namespace troupe::gpu::cuda::launch
