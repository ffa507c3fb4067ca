// Batch norm, with a sum and a relu behind it, by the own kernels
// (ops/kernels/avx512/batch_norm.hpp).
#include "ops/kernels/avx512/batch_norm.hpp"
#include "ops/kernels/layers/layers.hpp"
#include "ops/kernels/own_kernels.hpp"

#include <variant>

namespace troupe::kernels {

namespace {

using avx512::relu_mask;

struct normalising {
  builder& b;
  unit u;
  int source;
  int other; // the sum's other input; -1
  avx512::image_shape size;
  float epsilon;
  view input, added, output, mean, variance, scale, shift;

  std::string name(const char* what) const {
    const std::string behind = std::string(u.sum ? "add " : "") + (u.relu ? "relu " : "");
    return b.name(u.first(), behind + what) + " [avx512]";
  }

  [[nodiscard]] int parameter(int which) const {
    return b.node_at(u.first()).parameters[static_cast<std::size_t>(which)];
  }

  [[nodiscard]] memory_desc channels() const { return plain_desc({size.channels}); }

  // Resolved when it runs: parameters move with each bind.
  [[nodiscard]] auto norm() const {
    return [epsilon = epsilon,
            m = mean.memory,
            v = variance.memory,
            a = scale.memory,
            c = shift.memory] {
      return avx512::normalisation{floats(m), floats(v), floats(a), floats(c), epsilon};
    };
  }
};

float* floats_or_null(const dnnl::memory& m) {
  return m ? floats(m) : nullptr;
}

void build_forward(normalising& p) {
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
  p.output = b.make(p.input.desc());
  std::vector<view> reads{p.input, p.mean, p.variance};
  if (p.u.sum) reads.push_back(p.added);
  b.function(phase::forward,
             p.name("forward"),
             reads,
             {p.output},
             [size = p.size,
              relu = p.u.relu,
              norm = p.norm(),
              x = p.input.memory,
              s = p.added.memory,
              y = p.output.memory] {
               avx512::normalise(size, norm(), floats(x), floats_or_null(s), relu, floats(y));
             });
}

void build_backward(const normalising& p) {
  builder& b = p.b;
  const relu_mask mask = !p.u.relu ? relu_mask::none
                         : p.u.sum ? relu_mask::from_output
                                   : relu_mask::from_input;
  const std::vector<gradient> parts = b.gradient_parts(p.u.last(), p.output.desc());
  const bool two = parts.size() == 2;
  // The masked sum is written where somebody else reads it, or to spare the second pass the same
  // work.
  const bool write = two || mask == relu_mask::from_output;
  const gradient* owned = parts.front().owned  ? &parts.front()
                          : parts.back().owned ? &parts.back()
                                               : nullptr;
  const view sum = !write ? parts.front().value : owned ? owned->value : b.make(p.output.desc());
  const view scale_gradient = b.parameter_gradient(p.parameter(0), p.channels());
  const view shift_gradient = b.parameter_gradient(p.parameter(1), p.channels());
  std::vector<view> reads{p.input, p.mean, p.variance, parts.front().value, parts.back().value};
  if (mask == relu_mask::from_output) reads.push_back(p.output);
  std::vector<view> writes{scale_gradient, shift_gradient};
  if (write) writes.push_back(sum);
  b.function(
      phase::backward,
      p.name("sums"),
      reads,
      writes,
      [=,
       size = p.size,
       norm = p.norm(),
       x = p.input.memory,
       y = p.output.memory,
       first = parts.front().value.memory,
       second = two ? parts.back().value.memory : dnnl::memory(),
       to = sum.memory,
       a = scale_gradient.memory,
       c = shift_gradient.memory] {
        avx512::sum_gradients(
            size,
            norm(),
            floats(x),
            {mask, floats(first), floats_or_null(second), floats(y), write ? floats(to) : nullptr},
            floats(a),
            floats(c));
      });
  add_measured_statistics(b, p.u.first(), p.mean, p.variance);
  const bool other_reads = p.u.sum && b.needs_gradient(p.other);
  if (other_reads)
    b.contribute(p.other, sum, write || parts.front().owned); // read once more below, before them
  if (!b.needs_gradient(p.source)) return;
  const bool in_place = !other_reads && (write || parts.front().owned);
  const view dx = in_place ? sum : b.make(p.input.desc());
  const relu_mask left = write ? relu_mask::none : mask;
  b.function(phase::backward,
             p.name("input gradient"),
             {p.input, p.mean, p.variance, sum, scale_gradient, shift_gradient},
             {dx},
             [left,
              size = p.size,
              norm = p.norm(),
              x = p.input.memory,
              g = sum.memory,
              a = scale_gradient.memory,
              c = shift_gradient.memory,
              to = dx.memory] {
               avx512::norm_input_gradient(
                   size, norm(), floats(x), floats(g), left, floats(a), floats(c), floats(to));
             });
  b.contribute(p.source, dx, true);
}

} // namespace

std::string own_batch_norm_refusal(const shape& input) {
  constexpr int lanes = 16;
  if (input.rank() != 3) return "not an image";
  if (input[0] % lanes != 0) return "channels are no multiple of 16";
  return {};
}

void build_own_batch_norm(builder& b, const unit& u) {
  const int index = u.first(), source = b.node_at(index).inputs[0];
  const shape& in = b.node_at(index).output;
  normalising p{.b = b,
                .u = u,
                .source = source,
                .other = -1,
                .size = {static_cast<int>(b.microbatch()),
                         static_cast<int>(in[0]),
                         static_cast<int>(in[1]),
                         static_cast<int>(in[2])},
                .epsilon = std::get<batch_norm>(b.node_at(index).options).epsilon};
  const memory_desc desc = blocked_desc(b.dims_of(index));
  p.input = b.as(phase::forward, p.name("input"), b.value(source), desc);
  if (u.sum) {
    const auto& inputs = b.node_at(u.nodes[1]).inputs;
    p.other = inputs[0] == index ? inputs[1] : inputs[0];
    p.added = b.as(phase::forward, p.name("shortcut"), b.value(p.other), desc);
  }
  build_forward(p);
  b.set_value(u.last(), p.output);
  b.on_backward([p] { build_backward(p); });
}

} // namespace troupe::kernels
