#include "ops/flat.hpp"

#include "ops/clones.hpp"

#include <cmath>
#include <cstddef>

namespace troupe {

namespace {

TROUPE_CLONES void
add(const float* __restrict a, const float* __restrict b, float* __restrict out, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i)
    out[i] = a[i] + b[i];
}

TROUPE_CLONES void sgd_plain(const sgd_constants& c,
                             const float* __restrict w,
                             const float* __restrict g,
                             float* __restrict out,
                             std::size_t n) {
  const float rate = c.rate, decay = c.weight_decay;
  for (std::size_t i = 0; i < n; ++i)
    out[i] = w[i] - rate * (g[i] + decay * w[i]);
}

TROUPE_CLONES void sgd_momentum(const sgd_constants& c,
                                const float* __restrict w,
                                const float* __restrict g,
                                float* __restrict out,
                                float* __restrict m,
                                std::size_t n) {
  const float rate = c.rate, decay = c.weight_decay, mu = c.momentum;
  if (c.nesterov) {
    for (std::size_t i = 0; i < n; ++i) {
      const float d = g[i] + decay * w[i];
      m[i] = mu * m[i] + d;
      out[i] = w[i] - rate * (d + mu * m[i]);
    }
  } else {
    for (std::size_t i = 0; i < n; ++i) {
      m[i] = mu * m[i] + (g[i] + decay * w[i]);
      out[i] = w[i] - rate * m[i];
    }
  }
}

TROUPE_CLONES void adam(const adam_constants& c,
                        const float* __restrict w,
                        const float* __restrict g,
                        float* __restrict out,
                        float* __restrict m,
                        float* __restrict v,
                        std::size_t n) {
  const adam_constants k = c;
  const float step_size = k.rate / k.correction1;
  for (std::size_t i = 0; i < n; ++i) {
    const float d = g[i] + k.coupled_decay * w[i];
    m[i] = k.beta1 * m[i] + (1.0F - k.beta1) * d;
    v[i] = k.beta2 * v[i] + (1.0F - k.beta2) * d * d;
    const float denominator = std::sqrt(v[i]) / k.correction2_root + k.epsilon;
    out[i] = w[i] * k.decoupled_factor - step_size * (m[i] / denominator);
  }
}

} // namespace

void flat_sum(std::span<const float> left, std::span<const float> right, std::span<float> out) {
  add(left.data(), right.data(), out.data(), out.size());
}

void flat_sgd(const sgd_constants& c,
              std::span<const float> parameters,
              std::span<const float> gradient,
              std::span<float> out,
              float* momentum) {
  if (momentum == nullptr)
    sgd_plain(c, parameters.data(), gradient.data(), out.data(), out.size());
  else
    sgd_momentum(c, parameters.data(), gradient.data(), out.data(), momentum, out.size());
}

void flat_adam(const adam_constants& c,
               std::span<const float> parameters,
               std::span<const float> gradient,
               std::span<float> out,
               float* first_moment,
               float* second_moment) {
  adam(c, parameters.data(), gradient.data(), out.data(), first_moment, second_moment, out.size());
}

} // namespace troupe
