// The rules of the CPU (ops/update_rules.hpp), with its bits.
#include "gpu/cuda/kernels.hpp"
#include "gpu/cuda/launch.cuh"
#include "ops/update_rules.hpp"

#include <variant>

namespace troupe::gpu::cuda::launch {

namespace {

// Each operation is rounded to the nearest, whatever this file is compiled with.
struct rounded {
  float value;

  __device__ explicit rounded(float v = 0.0F) : value(v) {}

  friend __device__ rounded operator+(rounded a, rounded b) {
    return rounded(__fadd_rn(a.value, b.value));
  }

  friend __device__ rounded operator-(rounded a, rounded b) {
    return rounded(__fsub_rn(a.value, b.value));
  }

  friend __device__ rounded operator*(rounded a, rounded b) {
    return rounded(__fmul_rn(a.value, b.value));
  }

  friend __device__ rounded operator/(rounded a, rounded b) {
    return rounded(__fdiv_rn(a.value, b.value));
  }

  friend __device__ rounded sqrt(rounded a) { return rounded(__fsqrt_rn(a.value)); }
};

// Rules: the new parameter of w and its gradient g; `state` has a value of each slot.

struct plain_sgd {
  static constexpr int slots = 0;
  sgd_constants constants;

  __device__ rounded operator()(rounded w, rounded g, rounded*) const {
    return sgd_step(constants, w, g);
  }
};

struct momentum_sgd {
  static constexpr int slots = 1;
  sgd_constants constants;

  __device__ rounded operator()(rounded w, rounded g, rounded* state) const {
    return momentum_step(constants, w, g, state[0]);
  }
};

struct nesterov_sgd {
  static constexpr int slots = 1;
  sgd_constants constants;

  __device__ rounded operator()(rounded w, rounded g, rounded* state) const {
    return nesterov_step(constants, w, g, state[0]);
  }
};

struct any_adam {
  static constexpr int slots = 2;
  adam_constants constants;

  __device__ rounded operator()(rounded w, rounded g, rounded* state) const {
    return adam_step(constants, w, g, state[0], state[1]);
  }
};

template <class Rule>
__global__ void update_kernel(Rule rule, update_range r) {
  for (auto i = first_index<std::int64_t>(); i < r.count; i += grid_stride<std::int64_t>()) {
    rounded state[2];
    for (int k = 0; k < Rule::slots; ++k)
      state[k] = rounded(r.state[k][i]);
    r.new_parameters[i] = rule(rounded(r.parameters[i]), rounded(r.gradient[i]), state).value;
    for (int k = 0; k < Rule::slots; ++k)
      r.state[k][i] = state[k].value;
  }
}

struct with_rule {
  cudaStream_t on;
  bool has_momentum;
  const update_range& range;

  void operator()(const sgd_constants& c) const {
    if (!has_momentum)
      with(plain_sgd{c});
    else if (c.nesterov)
      with(nesterov_sgd{c});
    else
      with(momentum_sgd{c});
  }

  void operator()(const adam_constants& c) const { with(any_adam{c}); }

  template <class Rule>
  void with(const Rule& rule) const {
    run("update", on, range.count, update_kernel<Rule>, rule, range);
  }
};

} // namespace

void update(cudaStream_t on,
            const optimizer& o,
            float learning_rate,
            std::int64_t step,
            const update_range& range) {
  std::visit(with_rule{on, slots(o) > 0, range}, constants_of(o, learning_rate, step));
}

} // namespace troupe::gpu::cuda::launch
