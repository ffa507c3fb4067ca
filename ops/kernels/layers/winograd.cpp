// conv2d by the own Winograd kernels (ops/kernels/avx512/winograd.hpp). Weights are transformed
// once per new parameters, not once per microbatch.
#include "ops/kernels/avx512/winograd.hpp"

#include "ops/kernels/layers/layers.hpp"
#include "ops/kernels/own_kernels.hpp"

#include <variant>

namespace troupe::kernels {

namespace {

using dnnl::memory;

struct winograd_convolution {
  builder& b;
  int index, source;
  conv2d options;
  avx512::winograd plan;
  int images;
  memory_desc input_desc, output_desc, weight_desc, bias_desc;
  view input, weight, transformed, output;

  std::string name(const char* what) const {
    return b.name(index, what) + " [winograd " + std::to_string(plan.tile) + "x" +
           std::to_string(plan.tile) + "]";
  }

  [[nodiscard]] int parameter(int which) const {
    return b.node_at(index).parameters[static_cast<std::size_t>(which)];
  }

  [[nodiscard]] view scratch() const { return b.make(plain_desc({plan.scratch})); }
};

void build_forward(winograd_convolution& c) {
  builder& b = c.b;
  c.input = b.as(phase::forward, c.name("input"), b.value(c.source), c.input_desc);
  const memory_desc plain = plain_desc(c.weight_desc.dims());
  c.weight = b.parameter(
      c.parameter(0), std::make_shared<packed_order>(plain, c.weight_desc), c.weight_desc);
  c.transformed = b.make(plain_desc({c.plan.transformed}));
  c.output = b.make(c.output_desc);
  view bias;
  if (c.options.bias) bias = b.parameter(c.parameter(1), nullptr, c.bias_desc);
  b.function(phase::bind,
             c.name("weight transform"),
             {c.weight},
             {c.transformed},
             [plan = c.plan, w = c.weight.memory, t = c.transformed.memory] {
               avx512::transform_weight(plan, floats(w), floats(t));
             });
  const view scratch = c.scratch();
  b.function(
      phase::forward,
      c.name("forward"),
      {c.input, c.transformed},
      {c.output, scratch},
      [plan = c.plan,
       n = c.images,
       x = c.input.memory,
       t = c.transformed.memory,
       y = c.output.memory,
       offset = bias.memory,
       s = scratch.memory] {
        avx512::winograd_forward(
            plan, n, floats(x), floats(t), offset ? floats(offset) : nullptr, floats(y), floats(s));
      });
}

void build_backward(const winograd_convolution& c) {
  builder& b = c.b;
  const gradient g = b.gradient_as(c.index, c.output_desc);
  const view dy = g.value, dw = b.parameter_gradient(c.parameter(0), c.weight_desc);
  if (const auto left = b.take_bias_gradient(c.index)) { // no reader took it
    const view& sum = *left;
    const int pixels = c.plan.height * c.plan.width;
    b.function(phase::backward,
               c.name("bias gradient"),
               {dy},
               {sum},
               [=, n = c.images, outputs = c.plan.outputs, from = dy.memory, to = sum.memory] {
                 avx512::sum_over_pixels(n, outputs, pixels, floats(from), floats(to));
               });
  }
  const view scratch = c.scratch();
  b.function(phase::backward,
             c.name("weight gradient"),
             {c.input, dy},
             {dw, scratch},
             [plan = c.plan,
              n = c.images,
              x = c.input.memory,
              y = dy.memory,
              w = dw.memory,
              s = scratch.memory] {
               avx512::winograd_weight_gradient(
                   plan, n, floats(x), floats(y), floats(w), floats(s));
             });
  if (!b.needs_gradient(c.source)) return;
  const view transformed = b.make(plain_desc({c.plan.transformed}));
  const view rotated = c.scratch(), products = c.scratch(), dx = b.make(c.input_desc);
  b.function(phase::bind,
             c.name("rotated weight transform"),
             {c.weight},
             {transformed, rotated},
             [plan = c.plan, w = c.weight.memory, t = transformed.memory, s = rotated.memory] {
               avx512::transform_weight_for_input(plan, floats(w), floats(t), floats(s));
             });
  b.function(phase::backward,
             c.name("input gradient"),
             {dy, transformed},
             {dx, products},
             [plan = c.plan,
              n = c.images,
              y = dy.memory,
              t = transformed.memory,
              x = dx.memory,
              s = products.memory] {
               avx512::winograd_input_gradient(plan, n, floats(y), floats(t), floats(x), floats(s));
             });
  b.contribute(c.source, dx, true);
}

} // namespace

std::string winograd_refusal(const conv2d& options, const shape& input) {
  constexpr int lanes = 16, smallest_image = 5;
  if (options.kernel != 3 && options.kernel != 5) return "kernel is neither 3 nor 5";
  if (options.stride != 1 || options.groups != 1 || options.padding != options.kernel / 2)
    return "not a plain convolution that keeps the image's size";
  if (options.channels % lanes != 0 || input[0] % lanes != 0)
    return "channels are no multiples of 16";
  if (input[1] < smallest_image || input[2] < smallest_image)
    return "the image is smaller than a tile";
  return {};
}

void build_winograd(builder& b, const unit& u) {
  const int index = u.first(), source = b.node_at(index).inputs[0];
  const auto& options = std::get<conv2d>(b.node_at(index).options);
  const shape& in = b.node_at(source).output;
  const memory::dim k = options.kernel;
  winograd_convolution c{.b = b,
                         .index = index,
                         .source = source,
                         .options = options,
                         .plan = avx512::plan_winograd(options.kernel,
                                                       static_cast<int>(in[0]),
                                                       options.channels,
                                                       static_cast<int>(in[1]),
                                                       static_cast<int>(in[2])),
                         .images = static_cast<int>(b.microbatch()),
                         .input_desc = blocked_desc(b.dims_of(source)),
                         .output_desc = blocked_desc(b.dims_of(index)),
                         .weight_desc = memory_desc(
                             {options.channels, in[0], k, k}, memory::data_type::f32, format::ihwo),
                         .bias_desc = plain_desc({options.channels})};
  build_forward(c);
  b.set_value(index, c.output);
  if (b.training() && options.bias)
    b.leave_bias_gradient(index, b.parameter_gradient(c.parameter(1), c.bias_desc));
  b.on_backward([c] { build_backward(c); });
}

} // namespace troupe::kernels
