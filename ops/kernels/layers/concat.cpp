// The channels of a layer's slices, side by side again. Each value is copied once: a slice writes a
// memory of its own, so that whoever computes it needs nothing of the others, and its part of the
// gradient crosses alone, in the layout that it had on the way forward.
#include "ops/kernels/layers/layers.hpp"

#include <vector>

namespace troupe::kernels {

namespace {

using dnnl::memory;

constexpr int channel_axis = 1;

// The gradients of the slices where they lie in that of the whole; none where a slice ends within a
// block of channels.
std::vector<memory_desc> slices_of(const builder& b, const node& n, const memory_desc& whole) {
  std::vector<memory_desc> out;
  memory::dims first(whole.dims().size(), 0);
  for (const int input : n.inputs) {
    const memory::dims dims = b.dims_of(input);
    out.push_back(whole.submemory_desc(dims, first, true));
    if (out.back().is_zero()) return {};
    first[channel_axis] += dims[channel_axis];
  }
  return out;
}

void build_backward(builder& b, int index) {
  const node& n = b.node_at(index);
  view whole = b.gradient_of(index).value;
  auto slices = slices_of(b, n, whole.desc());
  if (slices.empty()) {
    whole =
        b.as(phase::backward, b.name(index, "gradient"), whole, plain_desc(whole.desc().dims()));
    slices = slices_of(b, n, whole.desc());
  }
  for (std::size_t s = 0; s < slices.size(); ++s) {
    const view part = b.make(b.value(n.inputs[s]).desc());
    b.copy(phase::backward, b.name(index, "gradient"), b.alias(whole, slices[s]), part);
    b.contribute(n.inputs[s], part, true);
  }
}

} // namespace

void build_concat(builder& b, const unit& u) {
  const int index = u.first();
  std::vector<memory_desc> descs;
  std::vector<builder::argument> arguments;
  for (const int input : b.node_at(index).inputs) {
    arguments.emplace_back(DNNL_ARG_MULTIPLE_SRC + static_cast<int>(descs.size()), b.value(input));
    descs.push_back(b.value(input).desc());
  }
  const dnnl::concat::primitive_desc pd(
      b.wanted(b.dims_of(index)), channel_axis, descs, cpu_engine(), b.attributes());
  const view output = b.make(pd.dst_desc());
  arguments.emplace_back(DNNL_ARG_DST, output);
  b.primitive(phase::forward, b.name(index, "forward"), pd, dnnl::concat(pd), arguments);
  b.set_value(index, output);
  b.on_backward([=, &b] { build_backward(b, index); });
}

} // namespace troupe::kernels
