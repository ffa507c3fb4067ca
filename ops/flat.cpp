#include "ops/flat.hpp"

#include "ops/clones.hpp"

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
  const sgd_constants k = c;
  for (std::size_t i = 0; i < n; ++i)
    out[i] = sgd_step(k, w[i], g[i]);
}

TROUPE_CLONES void sgd_momentum(const sgd_constants& c,
                                const float* __restrict w,
                                const float* __restrict g,
                                float* __restrict out,
                                float* __restrict m,
                                std::size_t n) {
  const sgd_constants k = c;
  if (k.nesterov) {
    for (std::size_t i = 0; i < n; ++i)
      out[i] = nesterov_step(k, w[i], g[i], m[i]);
  } else {
    for (std::size_t i = 0; i < n; ++i)
      out[i] = momentum_step(k, w[i], g[i], m[i]);
  }
}

TROUPE_CLONES void adam_moments(const adam_constants& c,
                                const float* __restrict w,
                                const float* __restrict g,
                                float* __restrict out,
                                float* __restrict m,
                                float* __restrict v,
                                std::size_t n) {
  const adam_constants k = c;
  for (std::size_t i = 0; i < n; ++i)
    out[i] = adam_step(k, w[i], g[i], m[i], v[i]);
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
  adam_moments(
      c, parameters.data(), gradient.data(), out.data(), first_moment, second_moment, out.size());
}

} // namespace troupe
