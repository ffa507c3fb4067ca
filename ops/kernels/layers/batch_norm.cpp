// Ioffe & Szegedy 2015, algorithm 1: y = gamma * (x - mean) / sqrt(variance + epsilon) + beta, per
// channel over the microbatch (training) or with the running statistics (evaluation). A relu that
// follows is computed in the same pass. Flat inputs are images of one pixel.
#include "ops/error.hpp"
#include "ops/kernels/layers/layers.hpp"
#include "ops/kernels/own_kernels.hpp"

#include <algorithm>
#include <optional>
#include <variant>

namespace troupe::kernels {

namespace {

using dnnl::memory;
using dnnl::normalization_flags;

// Gradients and values of flat nodes have two axes; the kernel sees four.
memory_desc image_desc(const memory_desc& desc) {
  const memory::dims dims = desc.dims();
  return dims.size() == 2 ? plain_desc({dims[0], dims[1], 1, 1}) : desc;
}

view image(builder& b, const view& v) {
  if (v.desc().dims().size() != 2) return v;
  return v.slot == view::external ? b.input_alias(image_desc(v.desc()))
                                  : b.alias(v, image_desc(v.desc()));
}

// A flattened image is one channel per pixel here: its values must lie in PyTorch's order.
view input_of(builder& b, int index, int source) {
  const view v = b.value(source);
  if (b.node_at(index).output.rank() != 1 || v.desc().dims().size() == 2) return v;
  const view plain = b.as(phase::forward, b.name(index, "input"), v, plain_desc(v.desc().dims()));
  const memory_desc flat = plain_desc(b.dims_of(index));
  return plain.slot == view::external ? b.input_alias(flat) : b.alias(plain, flat);
}

std::int64_t values_per_channel(const builder& b, int index) {
  const shape& s = b.node_at(index).output;
  return b.microbatch() * s.elements() / s[0];
}

} // namespace

void check_values_per_channel(const builder& b, int index) {
  if (b.training() && values_per_channel(b, index) < 2)
    throw error({.what = "batch norm cannot measure a variance from one value per channel",
                 .where = "layer " + b.node_at(index).path,
                 .why = "microbatch 1 of flat inputs",
                 .help = "use microbatches of at least 2 samples"});
}

void add_measured_statistics(builder& b, int index, const view& mean, const view& variance) {
  const auto& parameters = b.node_at(index).parameters;
  const memory_desc channels = mean.desc();
  const view mean_place = b.parameter_gradient(parameters[2], channels);
  const view variance_place = b.parameter_gradient(parameters[3], channels);
  const auto count = static_cast<double>(values_per_channel(b, index));
  const auto unbiased = static_cast<float>(count / (count - 1));
  const auto n = static_cast<std::size_t>(channels.dims()[0]);
  b.function(phase::backward,
             b.name(index, "statistics"),
             {mean, variance},
             {mean_place, variance_place},
             [=,
              from = mean.memory,
              from_variance = variance.memory,
              to = mean_place.memory,
              to_variance = variance_place.memory] {
               std::copy_n(floats(from), n, floats(to));
               for (std::size_t c = 0; c < n; ++c)
                 floats(to_variance)[c] = unbiased * floats(from_variance)[c];
             });
}

namespace {

// What backward needs of a forward normalisation.
struct norm {
  dnnl::batch_normalization_forward::primitive_desc forward;
  normalization_flags flags;
  float epsilon;
  int index, source;
  view given, input, scale, shift, mean, variance;
  std::optional<view> workspace;
};

void build_backward(builder& b, const norm& n, const gradient& g, const memory_desc& source_desc) {
  using backward = dnnl::batch_normalization_backward;
  const auto& parameters = b.node_at(n.index).parameters;
  const memory_desc channels = n.mean.desc();
  const view output_gradient = image(b, g.value);
  const view result = g.owned ? g.value : b.make(n.given.desc());
  const backward::desc desc(
      dnnl::prop_kind::backward, n.input.desc(), n.input.desc(), n.epsilon, n.flags);
  const backward::primitive_desc pd(desc, b.attributes(), cpu_engine(), n.forward);
  std::vector<builder::argument> arguments{
      {DNNL_ARG_SRC, n.input},
      {DNNL_ARG_MEAN, n.mean},
      {DNNL_ARG_VARIANCE, n.variance},
      {DNNL_ARG_DIFF_DST, output_gradient},
      {DNNL_ARG_SCALE, n.scale},
      {DNNL_ARG_SHIFT, n.shift},
      {DNNL_ARG_DIFF_SRC, g.owned ? output_gradient : image(b, result)},
      {DNNL_ARG_DIFF_SCALE, b.parameter_gradient(parameters[0], channels)},
      {DNNL_ARG_DIFF_SHIFT, b.parameter_gradient(parameters[1], channels)}};
  if (n.workspace) arguments.emplace_back(DNNL_ARG_WORKSPACE, *n.workspace);
  b.primitive(phase::backward, b.name(n.index, "gradients"), pd, backward(pd), arguments);
  add_measured_statistics(b, n.index, n.mean, n.variance);
  if (!b.needs_gradient(n.source)) return;
  const bool was_image = source_desc.dims().size() != n.given.desc().dims().size();
  b.contribute(
      n.source, was_image ? b.alias(result, plain_desc(source_desc.dims())) : result, true);
}

} // namespace

void build_batch_norm(builder& b, const unit& u) {
  using forward = dnnl::batch_normalization_forward;
  const int index = u.first(), source = b.node_at(index).inputs[0];
  const auto& options = std::get<batch_norm>(b.node_at(index).options);
  check_values_per_channel(b, index);
  if (b.own_kernels() && own_batch_norm_refusal(b.node_at(index).output).empty()) {
    build_own_batch_norm(b, u);
    return;
  }

  const view given = input_of(b, index, source);
  const view input = image(b, given);
  auto flags = normalization_flags::use_scale | normalization_flags::use_shift;
  if (u.relu) flags = flags | normalization_flags::fuse_norm_relu;
  if (!b.training()) flags = flags | normalization_flags::use_global_stats;
  const forward::desc desc(b.forward_kind(), input.desc(), options.epsilon, flags);
  const forward::primitive_desc pd(desc, b.attributes(), cpu_engine());

  const auto& parameters =
      b.node_at(index).parameters; // weight, bias, running mean, running variance
  const memory_desc channels = plain_desc({input.desc().dims()[1]});
  const view scale = b.parameter(parameters[0], nullptr, channels);
  const view shift = b.parameter(parameters[1], nullptr, channels);
  const view running_mean = b.parameter(parameters[2], nullptr, channels);
  const view running_variance = b.parameter(parameters[3], nullptr, channels);
  const view mean = b.training() ? b.make(channels) : running_mean;
  const view variance = b.training() ? b.make(channels) : running_variance;
  const view output = b.make(given.desc());
  std::vector<builder::argument> arguments{{DNNL_ARG_SRC, input},
                                           {DNNL_ARG_DST, image(b, output)},
                                           {DNNL_ARG_SCALE, scale},
                                           {DNNL_ARG_SHIFT, shift},
                                           {DNNL_ARG_MEAN, mean},
                                           {DNNL_ARG_VARIANCE, variance}};
  std::optional<view> workspace;
  if (b.training() && u.relu) {
    workspace = b.make(pd.workspace_desc());
    arguments.emplace_back(DNNL_ARG_WORKSPACE, *workspace);
  }
  b.primitive(phase::forward,
              b.name(index, u.relu ? "relu forward" : "forward"),
              pd,
              forward(pd),
              arguments);
  b.set_value(u.last(), output);

  b.on_backward([&b,
                 u,
                 n = norm{pd,
                          flags,
                          options.epsilon,
                          index,
                          source,
                          given,
                          input,
                          scale,
                          shift,
                          mean,
                          variance,
                          workspace},
                 source_desc = b.value(source).desc()] {
    build_backward(b, n, b.gradient_as(u.last(), n.given.desc()), source_desc);
  });
}

} // namespace troupe::kernels
