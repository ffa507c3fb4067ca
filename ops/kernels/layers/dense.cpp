// y = x W^T + b. The input may be an image that was flattened: then the memory of the activation is
// taken as it lies, blocked or not, and the columns of the weight are put into its order once,
// instead of reordering activations in each step.
#include "ops/kernels/layers/layers.hpp"

namespace troupe::kernels {

namespace {

using dnnl::memory;

struct input_matrix {
  view values;                           // [n, features]
  memory_desc given;                     // what the gradient goes back as
  std::vector<packed_order::step> order; // of the weight's columns
  bool shared = false;                   // `values` is the memory of the source itself
};

memory_desc weight_like(const memory_desc& activation, memory::dim outputs) {
  memory::dims dims = activation.dims();
  dims[0] = outputs;
  dnnl_memory_desc_t result = activation.data;
  const memory::dim rows = activation.dims()[0];
  result.dims[0] = outputs;
  result.padded_dims[0] = outputs;
  // Blocked or not, the batch is the outermost axis: its stride does not depend on its length.
  return rows == outputs ? activation : memory_desc(result);
}

// Whether one sample's values lie next to each other and nothing else does.
bool samples_are_dense(const memory_desc& desc) {
  const dnnl_memory_desc_t& d = desc.data;
  memory::dim features = 1;
  for (int axis = 1; axis < d.ndims; ++axis) {
    if (d.padded_dims[axis] != d.dims[axis]) return false;
    features *= d.dims[axis];
  }
  for (int i = 0; i < d.format_desc.blocking.inner_nblks; ++i) {
    if (d.format_desc.blocking.inner_idxs[i] == 0) return false;
  }
  return d.format_kind == dnnl_blocked && d.format_desc.blocking.strides[0] == features &&
         d.padded_dims[0] == d.dims[0];
}

input_matrix matrix_of(builder& b, int index, const view& source, memory::dim outputs) {
  const memory::dims dims = source.desc().dims();
  if (dims.size() == 2) return {source, source.desc(), {}, true};
  memory::dim features = 1;
  for (std::size_t axis = 1; axis < dims.size(); ++axis)
    features *= dims[axis];
  const memory_desc flat = plain_desc({b.microbatch(), features});
  if (source.slot == view::external) return {b.input_alias(flat), source.desc(), {}, false};
  if (!is_plain(source.desc()) && samples_are_dense(source.desc())) {
    memory::dims weight_dims = dims;
    weight_dims[0] = outputs;
    return {b.alias(source, flat),
            source.desc(),
            {{plain_desc(weight_dims), weight_like(source.desc(), outputs)}},
            true};
  }
  const view plain = b.as(phase::forward, b.name(index, "input"), source, plain_desc(dims));
  return {b.alias(plain, flat), plain.desc(), {}, plain.slot == source.slot};
}

struct matrix_product {
  builder& b;
  unit u;
  int source;
  dense options;
  input_matrix input;
  memory::dims input_dims, output_dims, weight_dims;

  matrix_product(builder& into, const unit& of)
      : b(into),
        u(of),
        source(b.node_at(u.first()).inputs[0]),
        options(std::get<dense>(b.node_at(u.first()).options)),
        input(matrix_of(b, u.first(), b.value(source), options.outputs)),
        input_dims(input.values.desc().dims()),
        output_dims{input_dims[0], options.outputs},
        weight_dims{options.outputs, input_dims[1]} {}

  [[nodiscard]] int parameter(int which) const {
    return b.node_at(u.first()).parameters[static_cast<std::size_t>(which)];
  }

  [[nodiscard]] std::string name(const std::string& what) const { return b.name(u.first(), what); }

  [[nodiscard]] memory_desc bias() const { return plain_desc({options.outputs}); }
};

struct built_forward {
  dnnl::inner_product_forward::primitive_desc desc;
  view source, weight, target;
};

built_forward build_forward(const matrix_product& m) {
  using forward = dnnl::inner_product_forward;
  builder& b = m.b;
  const memory_desc input = b.wanted(m.input_dims), weight = b.wanted(m.weight_dims);
  const memory_desc output = plain_desc(m.output_dims);
  const forward::desc desc = m.options.bias
                                 ? forward::desc(b.forward_kind(), input, weight, m.bias(), output)
                                 : forward::desc(b.forward_kind(), input, weight, output);
  const forward::primitive_desc pd(desc, b.attributes(m.u.relu), cpu_engine());

  built_forward result{pd};
  result.source = b.as(phase::forward, m.name("input"), m.input.values, pd.src_desc());
  auto steps = m.input.order;
  steps.push_back({plain_desc(m.weight_dims), pd.weights_desc()});
  result.weight =
      b.parameter(m.parameter(0), std::make_shared<packed_order>(steps), pd.weights_desc());
  result.target = b.make(pd.dst_desc());
  std::vector<builder::argument> arguments{{DNNL_ARG_SRC, result.source},
                                           {DNNL_ARG_WEIGHTS, result.weight},
                                           {DNNL_ARG_DST, result.target}};
  if (m.options.bias)
    arguments.emplace_back(DNNL_ARG_BIAS, b.parameter(m.parameter(1), nullptr, m.bias()));
  b.primitive(
      phase::forward, m.name(m.u.relu ? "relu forward" : "forward"), pd, forward(pd), arguments);
  return result;
}

void build_backward_weights(const matrix_product& m, const built_forward& f, const view& gradient) {
  using backward = dnnl::inner_product_backward_weights;
  builder& b = m.b;
  const memory_desc input = b.wanted(m.input_dims), weight = b.wanted(m.weight_dims);
  const memory_desc output = plain_desc(m.output_dims);
  const backward::desc desc = m.options.bias ? backward::desc(input, weight, m.bias(), output)
                                             : backward::desc(input, weight, output);
  const backward::primitive_desc pd(desc, b.attributes(), cpu_engine(), f.desc);
  const view source = b.as(phase::backward, m.name("input"), f.source, pd.src_desc());
  const view target = b.parameter_gradient(m.parameter(0), f.desc.weights_desc());
  const bool direct = pd.diff_weights_desc() == f.desc.weights_desc();
  const view written = direct ? target : b.make(pd.diff_weights_desc());
  std::vector<builder::argument> arguments{
      {DNNL_ARG_SRC, source}, {DNNL_ARG_DIFF_DST, gradient}, {DNNL_ARG_DIFF_WEIGHTS, written}};
  if (m.options.bias)
    arguments.emplace_back(DNNL_ARG_DIFF_BIAS, b.parameter_gradient(m.parameter(1), m.bias()));
  b.primitive(phase::backward, m.name("weight gradient"), pd, backward(pd), arguments);
  if (!direct) b.copy(phase::backward, m.name("weight gradient"), written, target);
}

void build_backward_data(const matrix_product& m, const built_forward& f, const view& gradient) {
  using backward = dnnl::inner_product_backward_data;
  builder& b = m.b;
  const backward::desc desc(
      b.wanted(m.input_dims), b.wanted(m.weight_dims), plain_desc(m.output_dims));
  const backward::primitive_desc pd(desc, b.attributes(), cpu_engine(), f.desc);
  const view weight = b.as(phase::bind, m.name("weight"), f.weight, pd.weights_desc());
  const view result = b.make(pd.diff_src_desc());
  b.primitive(
      phase::backward,
      m.name("input gradient"),
      pd,
      backward(pd),
      {{DNNL_ARG_DIFF_DST, gradient}, {DNNL_ARG_WEIGHTS, weight}, {DNNL_ARG_DIFF_SRC, result}});
  const view flat =
      b.as(phase::backward, m.name("input gradient"), result, plain_desc(m.input_dims));
  const bool is_matrix = m.input.given.dims().size() == 2;
  b.contribute(m.source, is_matrix ? flat : b.alias(flat, m.input.given), true);
}

} // namespace

void build_dense(builder& b, const unit& u) {
  const matrix_product m(b, u);
  const built_forward f = build_forward(m);
  b.set_value(u.last(), f.target);
  b.on_backward([m, f] {
    gradient g = m.b.gradient_as(m.u.last(), plain_desc(m.output_dims));
    if (m.u.relu) g = relu_gradient(m.b, m.u.first(), f.target, g);
    build_backward_weights(m, f, g.value);
    if (m.b.needs_gradient(m.source)) build_backward_data(m, f, g.value);
  });
}

} // namespace troupe::kernels
