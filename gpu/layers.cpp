#include "gpu/layers.hpp"

#include "ops/assert.hpp"
#include "ops/kernels/layers/layers.hpp"

#include <algorithm>
#include <variant>

namespace troupe::gpu {

using kernels::gradient;
using kernels::phase;
using kernels::plain_desc;
using kernels::view;

namespace {

constexpr activation relu_only{activation_kind::relu};

// Where it lies; known when the program is placed.
float* at(const view& v) {
  return kernels::floats(v.memory);
}

gradient before_activation(const site& s, const activation& a, const view& output, gradient g) {
  const view result = g.owned ? g.value : s.b.make(g.value.desc());
  s.b.function(phase::backward,
               s.name("activation gradient"),
               {output, g.value},
               {result},
               [=, on = s.on, n = s.elements(s.u.last()), y = output, dy = g.value, dx = result] {
                 on->activation_gradient(a, at(y), at(dy), at(dx), n);
               });
  return {result, true};
}

} // namespace

view site::make(int node_index) const {
  return b.make(plain_desc(b.dims_of(node_index)));
}

view site::make_like(int node_index) const {
  return b.make(b.value(node_index).desc());
}

view site::scratch(std::size_t size) const {
  const auto count = static_cast<dnnl::memory::dim>((size + sizeof(float) - 1) / sizeof(float));
  return b.make(plain_desc({std::max<dnnl::memory::dim>(count, 1)}));
}

view site::weight(int which) const {
  return b.parameter(
      parameter(which), nullptr, plain_desc({b.parameter_elements(parameter(which))}));
}

view site::weight_gradient(int which) const {
  return b.parameter_gradient(parameter(which),
                              plain_desc({b.parameter_elements(parameter(which))}));
}

image_shape site::image(int node_index) const {
  const shape& one = b.node_at(node_index).output;
  if (one.rank() == 3) return {b.microbatch(), one[0], one[1], one[2]};
  return {b.microbatch(), one.elements(), 1, 1};
}

std::int64_t site::elements(int node_index) const {
  return image(node_index).elements();
}

gradient site::output_gradient(const view& output) const {
  const gradient g = b.gradient_of(u.last());
  return u.relu ? before_activation(*this, relu_only, output, g) : g;
}

void build_conv2d(const site& s) {
  const auto& o = std::get<conv2d>(s.at().options);
  const std::shared_ptr<convolution> kernel = s.on->make_convolution(
      {s.image(s.source()), s.image(s.index()), o.kernel, o.stride, o.padding, o.groups});
  const view x = s.b.value(s.source()), w = s.weight(0), y = s.make(s.index());
  const view space = s.scratch(kernel->scratch_bytes());
  std::vector<view> reads{x, w};
  view bias;
  if (o.bias) reads.push_back(bias = s.weight(1));
  s.b.function(phase::forward,
               s.name(s.u.relu ? "relu forward" : "forward"),
               reads,
               {y, space},
               [=, on = s.on, relu = s.u.relu, has_bias = o.bias, shape = s.image(s.index())] {
                 kernel->forward(at(x), at(w), at(y), at(space));
                 if (has_bias) on->add_bias(shape, at(bias), at(y));
                 if (relu) on->activate(relu_only, at(y), at(y), shape.elements());
               });
  s.b.set_value(s.u.last(), y);
  s.b.on_backward([=, has_bias = o.bias] {
    const view dy = s.output_gradient(y).value, dw = s.weight_gradient(0);
    const view again = s.scratch(kernel->scratch_bytes());
    s.b.function(phase::backward, s.name("weight gradient"), {x, dy}, {dw, again}, [=] {
      kernel->weight_gradient(at(x), at(dy), at(dw), at(again));
    });
    if (has_bias) {
      const view db = s.weight_gradient(1);
      s.b.function(
          phase::backward,
          s.name("bias gradient"),
          {dy},
          {db},
          [=, on = s.on, shape = s.image(s.index())] { on->bias_gradient(shape, at(dy), at(db)); });
    }
    if (!s.b.needs_gradient(s.source())) return;
    const view dx = s.make_like(s.source()), third = s.scratch(kernel->scratch_bytes());
    s.b.function(phase::backward, s.name("input gradient"), {dy, w}, {dx, third}, [=] {
      kernel->input_gradient(at(dy), at(w), at(dx), at(third));
    });
    s.b.contribute(s.source(), dx, true);
  });
}

// y[n, outputs] = x[n, inputs] w^T, w[outputs, inputs].
void build_dense(const site& s) {
  const auto& o = std::get<dense>(s.at().options);
  const std::int64_t n = s.b.microbatch(), outputs = o.outputs;
  const std::int64_t inputs = s.elements(s.source()) / n;
  const view x = s.b.value(s.source()), w = s.weight(0), y = s.make(s.index());
  std::vector<view> reads{x, w};
  view bias;
  if (o.bias) reads.push_back(bias = s.weight(1));
  s.b.function(phase::forward,
               s.name(s.u.relu ? "relu forward" : "forward"),
               reads,
               {y},
               [=, on = s.on, relu = s.u.relu, has_bias = o.bias] {
                 on->matrix_product(
                     {.m = n, .n = outputs, .k = inputs, .transpose_b = true}, at(x), at(w), at(y));
                 if (has_bias) on->add_bias({n, outputs, 1, 1}, at(bias), at(y));
                 if (relu) on->activate(relu_only, at(y), at(y), n * outputs);
               });
  s.b.set_value(s.u.last(), y);
  s.b.on_backward([=, has_bias = o.bias] {
    const view dy = s.output_gradient(y).value, dw = s.weight_gradient(0);
    s.b.function(phase::backward, s.name("weight gradient"), {x, dy}, {dw}, [=, on = s.on] {
      on->matrix_product(
          {.m = outputs, .n = inputs, .k = n, .transpose_a = true}, at(dy), at(x), at(dw));
    });
    if (has_bias) {
      const view db = s.weight_gradient(1);
      s.b.function(phase::backward, s.name("bias gradient"), {dy}, {db}, [=, on = s.on] {
        on->bias_gradient({n, outputs, 1, 1}, at(dy), at(db));
      });
    }
    if (!s.b.needs_gradient(s.source())) return;
    const view dx = s.make_like(s.source());
    s.b.function(phase::backward, s.name("input gradient"), {dy, w}, {dx}, [=, on = s.on] {
      on->matrix_product({.m = n, .n = inputs, .k = outputs}, at(dy), at(w), at(dx));
    });
    s.b.contribute(s.source(), dx, true);
  });
}

namespace {

pooling_options window_of(const site& s) {
  pooling_options out{.input = s.image(s.source()), .output = s.image(s.index())};
  const auto square = [&](pooling_method method, int kernel, int stride, int padding) {
    out.method = method;
    out.kernel_height = out.kernel_width = kernel;
    out.stride_height = out.stride_width = stride != 0 ? stride : kernel;
    out.padding = padding;
  };
  if (const auto* p = std::get_if<max_pool2d>(&s.at().options)) {
    square(pooling_method::maximum, p->kernel, p->stride, p->padding);
  } else if (const auto* q = std::get_if<average_pool2d>(&s.at().options)) {
    square(pooling_method::average, q->kernel, q->stride, q->padding);
  } else {
    out.method = pooling_method::average;
    out.kernel_height = out.stride_height = out.input.height;
    out.kernel_width = out.stride_width = out.input.width;
  }
  return out;
}

} // namespace

void build_pool(const site& s) {
  const std::shared_ptr<pooling> kernel = s.on->make_pooling(window_of(s));
  const view x = s.b.value(s.source()), y = s.make(s.index());
  s.b.function(phase::forward, s.name("forward"), {x}, {y}, [=] { kernel->forward(at(x), at(y)); });
  s.b.set_value(s.index(), y);
  s.b.on_backward([=] {
    if (!s.b.needs_gradient(s.source())) return;
    const view dy = s.output_gradient(y).value, dx = s.make_like(s.source());
    s.b.function(phase::backward, s.name("input gradient"), {x, y, dy}, {dx}, [=] {
      kernel->input_gradient(at(x), at(y), at(dy), at(dx));
    });
    s.b.contribute(s.source(), dx, true);
  });
}

namespace {

// What a microbatch measured goes where its parameters' gradients go.
void hand_over_statistics(const site& s, const view& mean, const view& variance) {
  const view to_mean = s.weight_gradient(2), to_variance = s.weight_gradient(3);
  s.b.function(phase::backward,
               s.name("statistics"),
               {mean, variance},
               {to_mean, to_variance},
               [=, on = s.on, n = s.image(s.index()).channels] {
                 on->copy_rows(at(to_mean), n, at(mean), n, n, 1);
                 on->copy_rows(at(to_variance), n, at(variance), n, n, 1);
               });
}

void build_evaluating_norm(const site& s, const std::shared_ptr<normalisation>& kernel) {
  const view x = s.b.value(s.source()), y = s.make_like(s.source());
  const view scale = s.weight(0), shift = s.weight(1), mean = s.weight(2), variance = s.weight(3);
  s.b.function(phase::forward,
               s.name(s.u.relu ? "relu forward" : "forward"),
               {x, scale, shift, mean, variance},
               {y},
               [=, on = s.on, relu = s.u.relu, count = s.elements(s.index())] {
                 kernel->evaluate(at(x), at(scale), at(shift), at(mean), at(variance), at(y));
                 if (relu) on->activate(relu_only, at(y), at(y), count);
               });
  s.b.set_value(s.u.last(), y);
}

} // namespace

void build_batch_norm(const site& s) {
  const std::shared_ptr<normalisation> kernel =
      s.on->make_normalisation(s.image(s.index()), std::get<batch_norm>(s.at().options).epsilon);
  if (!s.b.training()) return build_evaluating_norm(s, kernel);
  kernels::check_values_per_channel(s.b, s.index());
  const auto channels = s.image(s.index()).channels;
  const view x = s.b.value(s.source()), y = s.make_like(s.source());
  const view scale = s.weight(0), shift = s.weight(1);
  (void)s.weight(2); // the running statistics have their place, though nobody reads them here
  (void)s.weight(3);
  const view mean = s.b.make(plain_desc({channels})), variance = s.b.make(plain_desc({channels}));
  const view saved = s.b.make(plain_desc({2 * channels}));
  s.b.function(phase::forward,
               s.name(s.u.relu ? "relu forward" : "forward"),
               {x, scale, shift},
               {y, mean, variance, saved},
               [=, on = s.on, relu = s.u.relu, count = s.elements(s.index())] {
                 kernel->forward(
                     at(x), at(scale), at(shift), at(y), at(mean), at(variance), at(saved));
                 if (relu) on->activate(relu_only, at(y), at(y), count);
               });
  s.b.set_value(s.u.last(), y);
  s.b.on_backward([=] {
    const gradient g = s.output_gradient(y);
    const view dx = g.owned ? g.value : s.make_like(s.source());
    const view dscale = s.weight_gradient(0), dshift = s.weight_gradient(1);
    s.b.function(phase::backward,
                 s.name("gradients"),
                 {x, g.value, scale, saved},
                 {dx, dscale, dshift},
                 [=, dy = g.value] {
                   kernel->gradients(
                       at(x), at(dy), at(scale), at(saved), at(dx), at(dscale), at(dshift));
                 });
    hand_over_statistics(s, mean, variance);
    if (s.b.needs_gradient(s.source())) s.b.contribute(s.source(), dx, true);
  });
}

namespace {

activation activation_of(const node& n) {
  switch (n.kind) {
  case node_kind::leaky_relu:
    return {activation_kind::leaky_relu, std::get<leaky_relu>(n.options).slope};
  case node_kind::sigmoid:
    return {activation_kind::sigmoid};
  case node_kind::tanh_activation:
    return {activation_kind::tanh};
  default:
    return relu_only;
  }
}

} // namespace

void build_activation(const site& s) {
  const activation a = activation_of(s.at());
  const view x = s.b.value(s.source()), y = s.make_like(s.source());
  s.b.function(
      phase::forward, s.name("forward"), {x}, {y}, [=, on = s.on, n = s.elements(s.index())] {
        on->activate(a, at(x), at(y), n);
      });
  s.b.set_value(s.index(), y);
  s.b.on_backward([=] {
    if (!s.b.needs_gradient(s.source())) return;
    const gradient g = before_activation(s, a, y, s.b.gradient_of(s.index()));
    s.b.contribute(s.source(), g.value, g.owned);
  });
}

// Both inputs get the same gradient, as one shared value that neither may overwrite.
void build_add(const site& s) {
  const int left = s.source(0), right = s.source(1);
  const view a = s.b.value(left), c = s.b.value(right), y = s.make_like(left);
  s.b.function(phase::forward,
               s.name(s.u.relu ? "relu forward" : "forward"),
               {a, c},
               {y},
               [=, on = s.on, relu = s.u.relu, n = s.elements(s.index())] {
                 on->add(at(a), at(c), at(y), n);
                 if (relu) on->activate(relu_only, at(y), at(y), n);
               });
  s.b.set_value(s.u.last(), y);
  s.b.on_backward([=] {
    const gradient g = s.output_gradient(y);
    const bool both = s.b.needs_gradient(left) && s.b.needs_gradient(right);
    for (const int input : {left, right})
      if (s.b.needs_gradient(input)) s.b.contribute(input, g.value, g.owned && !both);
  });
}

void build_concat(const site& s) {
  struct part {
    int input;
    std::int64_t first, width; // floats, of one sample
  };

  std::vector<part> parts;
  std::vector<view> reads;
  std::int64_t all = 0;
  for (const int input : s.at().inputs) {
    parts.push_back({input, all, s.elements(input) / s.b.microbatch()});
    reads.push_back(s.b.value(input));
    all += parts.back().width;
  }
  const view y = s.make(s.index());
  const std::int64_t n = s.b.microbatch();
  s.b.function(phase::forward, s.name("forward"), reads, {y}, [=, on = s.on, to = y] {
    for (std::size_t i = 0; i < parts.size(); ++i)
      on->copy_rows(at(to) + parts[i].first, all, at(reads[i]), parts[i].width, parts[i].width, n);
  });
  s.b.set_value(s.index(), y);
  s.b.on_backward([=] {
    const view dy = s.b.gradient_of(s.index()).value;
    for (const part& p : parts) {
      const view dx = s.make_like(p.input);
      s.b.function(phase::backward, s.name("gradient"), {dy}, {dx}, [=, on = s.on] {
        on->copy_rows(at(dx), p.width, at(dy) + p.first, all, p.width, n);
      });
      s.b.contribute(p.input, dx, true);
    }
  });
}

void build_dropout(const site& s) {
  const float probability = std::get<dropout>(s.at().options).probability;
  if (!s.b.training() || probability <= 0.0F) return build_identity(s);
  const view x = s.b.value(s.source()), y = s.make_like(s.source()), mask = s.make_like(s.source());
  const std::int64_t n = s.elements(s.index());
  s.b.function(phase::forward,
               s.name("forward"),
               {x},
               {y, mask},
               [=, on = s.on, key = s.b.key(), layer = s.at().draw_key] {
                 on->draw_mask(kernels::dropout_key(*key, layer), probability, at(mask), n);
                 on->multiply(at(x), at(mask), at(y), n);
               });
  s.b.set_value(s.index(), y);
  s.b.on_backward([=] {
    if (!s.b.needs_gradient(s.source())) return;
    const gradient g = s.b.gradient_of(s.index());
    const view dx = g.owned ? g.value : s.make_like(s.source());
    s.b.function(
        phase::backward, s.name("gradient"), {g.value, mask}, {dx}, [=, on = s.on, dy = g.value] {
          on->multiply(at(dy), at(mask), at(dx), n);
        });
    s.b.contribute(s.source(), dx, true);
  });
}

void build_identity(const site& s) {
  s.b.set_value(s.index(), s.b.value(s.source()));
  s.b.on_backward([=] {
    if (!s.b.needs_gradient(s.source())) return;
    const gradient g = s.b.gradient_of(s.index());
    s.b.contribute(s.source(), g.value, g.owned);
  });
}

} // namespace troupe::gpu
