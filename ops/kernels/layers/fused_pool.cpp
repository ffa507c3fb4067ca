// [batch norm,] relu and 2x2 maximum pooling by the own kernel (ops/kernels/avx512/fused_pool.hpp).
#include "ops/kernels/avx512/fused_pool.hpp"

#include "ops/kernels/layers/layers.hpp"
#include "ops/kernels/own_kernels.hpp"

#include <variant>

namespace troupe::kernels {

namespace {

using dnnl::memory;

struct fused_pooling {
  builder& b;
  unit u;
  int source;
  bool normalised;
  avx512::image_shape size;
  float epsilon;
  view input, output, which, picked, mean, variance, scale, shift;

  std::string name(const char* what) const {
    return b.name(u.first(), std::string(normalised ? "relu max_pool2d " : "max_pool2d ") + what) +
           " [fused]";
  }

  [[nodiscard]] int parameter(int which_one) const {
    return b.node_at(u.first()).parameters[static_cast<std::size_t>(which_one)];
  }

  [[nodiscard]] memory_desc channels() const { return plain_desc({size.channels}); }

  // Resolved when it runs: parameters move with each bind.
  [[nodiscard]] auto norm() const {
    return [normalised = normalised,
            epsilon = epsilon,
            m = mean.memory,
            v = variance.memory,
            a = scale.memory,
            c = shift.memory] {
      return normalised ? avx512::normalisation{floats(m), floats(v), floats(a), floats(c), epsilon}
                        : avx512::normalisation{};
    };
  }
};

std::uint8_t* bytes(const memory& m) {
  return m ? static_cast<std::uint8_t*>(m.get_data_handle()) : nullptr;
}

float* floats_or_null(const memory& m) {
  return m ? floats(m) : nullptr;
}

void build_normalisation(fused_pooling& p) {
  builder& b = p.b;
  p.scale = b.parameter(p.parameter(0), nullptr, p.channels());
  p.shift = b.parameter(p.parameter(1), nullptr, p.channels());
  const view running_mean = b.parameter(p.parameter(2), nullptr, p.channels());
  const view running_variance = b.parameter(p.parameter(3), nullptr, p.channels());
  p.mean = b.training() ? b.make(p.channels()) : running_mean;
  p.variance = b.training() ? b.make(p.channels()) : running_variance;
  if (b.training())
    b.function(phase::forward,
               p.name("measure"),
               {p.input},
               {p.mean, p.variance},
               [size = p.size, x = p.input.memory, m = p.mean.memory, v = p.variance.memory] {
                 avx512::measure(size, floats(x), floats(m), floats(v));
               });
}

void build_forward(fused_pooling& p) {
  builder& b = p.b;
  if (p.normalised) build_normalisation(p);
  const memory::dims dims = b.dims_of(p.u.last());
  p.output = b.make(blocked_desc(dims));
  std::vector<view> reads{p.input}, writes{p.output};
  if (b.training()) {
    p.which = b.make(memory_desc(dims, memory::data_type::u8, format::nChw16c));
    writes.push_back(p.which);
    if (p.normalised) {
      p.picked = b.make(blocked_desc(dims));
      writes.push_back(p.picked);
      reads.insert(reads.end(), {p.mean, p.variance});
    }
  }
  b.function(phase::forward,
             p.name("forward"),
             reads,
             writes,
             [size = p.size,
              norm = p.norm(),
              x = p.input.memory,
              y = p.output.memory,
              w = p.which.memory,
              s = p.picked.memory] {
               avx512::pool_forward(
                   size, norm(), floats(x), floats(y), bytes(w), floats_or_null(s));
             });
}

void build_backward(const fused_pooling& p) {
  builder& b = p.b;
  if (!p.normalised && !b.needs_gradient(p.source)) return;
  const gradient g = b.gradient_as(p.u.last(), p.output.desc());
  const view dx = b.make(p.input.desc());
  view scale_gradient, shift_gradient;
  std::vector<view> reads{p.input, g.value, p.which}, writes{dx};
  if (p.normalised) {
    scale_gradient = b.parameter_gradient(p.parameter(0), p.channels());
    shift_gradient = b.parameter_gradient(p.parameter(1), p.channels());
    reads.insert(reads.end(), {p.picked, p.mean, p.variance});
    writes.insert(writes.end(), {scale_gradient, shift_gradient});
  } else if (b.readers(p.source) == 1) {
    if (const auto bias = b.take_bias_gradient(p.source)) {
      shift_gradient = *bias;
      writes.push_back(shift_gradient);
    }
  }
  b.function(phase::backward,
             p.name("gradient"),
             reads,
             writes,
             [size = p.size,
              norm = p.norm(),
              x = p.input.memory,
              dy = g.value.memory,
              w = p.which.memory,
              s = p.picked.memory,
              to = dx.memory,
              a = scale_gradient.memory,
              c = shift_gradient.memory] {
               avx512::pool_backward(size,
                                     norm(),
                                     floats(x),
                                     floats(dy),
                                     bytes(w),
                                     floats_or_null(s),
                                     floats(to),
                                     floats_or_null(a),
                                     floats_or_null(c));
             });
  if (p.normalised) add_measured_statistics(b, p.u.first(), p.mean, p.variance);
  if (b.needs_gradient(p.source)) b.contribute(p.source, dx, true);
}

} // namespace

std::string fused_pool_refusal(const max_pool2d& options, const shape& input) {
  constexpr int lanes = 16;
  if (input.rank() != 3) return "not an image";
  if (options.kernel != 2 || (options.stride != 0 && options.stride != 2) || options.padding != 0)
    return "not a pooling of 2x2";
  if (input[0] % lanes != 0) return "channels are no multiple of 16";
  return {};
}

void build_fused_pool(builder& b, const unit& u) {
  const int index = u.first(), source = b.node_at(index).inputs[0];
  const shape& in = b.node_at(source).output;
  const bool normalised = b.node_at(index).kind == node_kind::batch_norm;
  fused_pooling p{.b = b,
                  .u = u,
                  .source = source,
                  .normalised = normalised,
                  .size = {static_cast<int>(b.microbatch()),
                           static_cast<int>(in[0]),
                           static_cast<int>(in[1]),
                           static_cast<int>(in[2])},
                  .epsilon =
                      normalised ? std::get<batch_norm>(b.node_at(index).options).epsilon : 0.0F};
  p.input = b.as(phase::forward, p.name("input"), b.value(source), blocked_desc(b.dims_of(source)));
  build_forward(p);
  b.set_value(u.last(), p.output);
  b.on_backward([p] { build_backward(p); });
}

} // namespace troupe::kernels
