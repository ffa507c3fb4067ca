#include "ops/kernels/builder.hpp"

#include "ops/assert.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace troupe::kernels {

namespace {

dnnl::memory unplaced(const memory_desc& desc) {
  return dnnl::memory(desc, cpu_engine(), DNNL_MEMORY_NONE);
}

// Of a primitive that computes no gradient; statistics and workspaces are given to training's
// alone.
bool is_output(int argument) {
  return argument == DNNL_ARG_DST || argument == DNNL_ARG_MEAN || argument == DNNL_ARG_VARIANCE ||
         argument == DNNL_ARG_WORKSPACE;
}

bool is_gradient_output(int argument) {
  return argument == DNNL_ARG_DIFF_SRC || argument == DNNL_ARG_DIFF_WEIGHTS ||
         argument == DNNL_ARG_DIFF_BIAS || argument == DNNL_ARG_DIFF_SCALE ||
         argument == DNNL_ARG_DIFF_SHIFT;
}

std::vector<bool> nodes_with_gradient(const graph& g) {
  std::vector<bool> result(g.nodes.size(), false);
  for (std::size_t i = 0; i < g.nodes.size(); ++i) {
    result[i] = !g.nodes[i].parameters.empty();
    for (int input : g.nodes[i].inputs)
      result[i] = result[i] || result[static_cast<std::size_t>(input)];
  }
  return result;
}

} // namespace

builder::builder(const graph& g, const compile_options& options, addition add)
    : graph_(g),
      options_(options),
      add_(std::move(add)),
      values_(g.nodes.size()),
      contributions_(g.nodes.size()),
      needs_gradient_(nodes_with_gradient(g)),
      parameters_(g.parameters.size()) {
  set_value(0, input_alias(plain_desc(dims_of(0))));
}

dnnl::prop_kind builder::forward_kind() const {
  return training() ? dnnl::prop_kind::forward_training : dnnl::prop_kind::forward_inference;
}

dnnl::primitive_attr builder::attributes(bool relu) const {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  if (relu) {
    dnnl::post_ops after;
    after.append_eltwise(1.0F, dnnl::algorithm::eltwise_relu, 0.0F, 0.0F);
    attributes.set_post_ops(after);
  }
  return attributes;
}

std::string builder::name(int index, const std::string& what) const {
  const node& n = node_at(index);
  const std::string which =
      n.slices > 1 ? fmt::format("slice {} of {} ", n.slice + 1, n.slices) : std::string();
  return n.path + (n.path.empty() ? "" : " ") + kind_text(n.kind) + " " + which + what;
}

int builder::readers(int index) const {
  int count = 0;
  for (const node& n : graph_.nodes)
    count += static_cast<int>(std::count(n.inputs.begin(), n.inputs.end(), index));
  return count;
}

view builder::make(const memory_desc& desc) {
  slots_.push_back({desc.get_size(), {unplaced(desc)}});
  return {slots_.back().memories.front(), static_cast<int>(slots_.size()) - 1};
}

view builder::alias(const view& of, const memory_desc& desc) {
  TROUPE_ASSERT(of.slot != view::external, "only values of the arena have aliases");
  slot& s = slots_[static_cast<std::size_t>(of.slot)];
  TROUPE_ASSERT(desc.get_size() <= s.bytes, "an alias is no larger than its value");
  s.memories.push_back(unplaced(desc));
  return {s.memories.back(), of.slot};
}

view builder::input_alias(const memory_desc& desc) {
  inputs_.push_back(unplaced(desc));
  return {inputs_.back()};
}

void builder::copy(phase when, const std::string& label, const view& from, const view& to) {
  const dnnl::reorder::primitive_desc reorder(
      cpu_engine(), from.desc(), cpu_engine(), to.desc(), attributes());
  primitive(when,
            label + " reorder",
            reorder,
            dnnl::reorder(reorder),
            {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}});
}

view builder::as(phase when, const std::string& label, const view& v, const memory_desc& desc) {
  if (v.desc() == desc) return v;
  view reordered = make(desc);
  copy(when, label, v, reordered);
  return reordered;
}

std::vector<operation>& builder::operations(phase when) {
  return when == phase::bind ? bind_ : when == phase::forward ? forward_ : backward_;
}

void builder::add_primitive(phase when,
                            std::string label,
                            const dnnl::primitive& p,
                            const std::vector<argument>& arguments,
                            const memory_desc& scratch) {
  operation op;
  op.name = std::move(label);
  op.unit = unit_;
  op.primitive = p;
  const bool backward = std::any_of(arguments.begin(), arguments.end(), [](const argument& a) {
    return a.first == DNNL_ARG_DIFF_SRC || a.first == DNNL_ARG_DIFF_WEIGHTS;
  });
  for (const auto& [which, v] : arguments)
    op.uses.push_back({which, v, backward ? is_gradient_output(which) : is_output(which)});
  if (scratch.get_size() > 0) op.scratch = scratch;
  operations(when).push_back(std::move(op));
}

void builder::function(phase when,
                       std::string label,
                       const std::vector<view>& reads,
                       const std::vector<view>& writes,
                       std::function<void()> f) {
  operation op;
  op.name = std::move(label);
  op.unit = unit_;
  op.function = std::move(f);
  for (const view& v : reads)
    op.uses.push_back({0, v, false});
  for (const view& v : writes)
    op.uses.push_back({0, v, true});
  operations(when).push_back(std::move(op));
}

view builder::parameter(int index,
                        std::shared_ptr<const packed_order> order,
                        const memory_desc& desc) {
  if (order && order->changes_nothing()) order = nullptr;
  bound_parameter& p = parameters_[static_cast<std::size_t>(index)];
  const std::int64_t wanted_size = static_cast<std::int64_t>(float_count(desc));
  std::shared_ptr<const packed_order> given = order;
  std::int64_t given_size = wanted_size;
  if (options_.layout != nullptr) {
    const placed_parameter& place = options_.layout->places[static_cast<std::size_t>(index)];
    given = std::dynamic_pointer_cast<const packed_order>(place.order);
    given_size = place.size;
  }
  p.order = given;
  p.size = given_size;
  const bool same = given == order || (given && order && *given == *order);
  if (same) {
    p.given = unplaced(desc);
    return {p.given};
  }
  p.given = unplaced(plain_desc({given_size}));
  const view converted = make(desc);
  const std::size_t plain_size =
      static_cast<std::size_t>(graph_.parameters[static_cast<std::size_t>(index)].dims.elements());
  auto plain = std::make_shared<std::vector<float>>(plain_size);
  auto convert = [=, from = p.given, to = converted.memory] {
    const std::span<const float> source(floats(from), static_cast<std::size_t>(given_size));
    const std::span<float> target(floats(to), static_cast<std::size_t>(wanted_size));
    if (given)
      given->unpack(source, *plain);
    else
      std::copy_n(source.begin(), plain_size, plain->begin());
    if (order)
      order->pack(*plain, target);
    else
      std::copy(plain->begin(), plain->end(), target.begin());
  };
  function(phase::bind,
           "convert " + graph_.parameters[static_cast<std::size_t>(index)].name,
           {},
           {converted},
           convert);
  return converted;
}

view builder::parameter_gradient(int index, const memory_desc& desc) {
  auto& views = parameters_[static_cast<std::size_t>(index)].gradients;
  views.push_back(unplaced(desc));
  return {views.back()};
}

std::int64_t builder::slot_elements(int slot) const {
  const std::size_t bytes = slots_[static_cast<std::size_t>(slot)].bytes;
  return static_cast<std::int64_t>((bytes + sizeof(float) - 1) / sizeof(float));
}

bool builder::is_input(const view& v) const {
  return std::any_of(inputs_.begin(), inputs_.end(), [&](const dnnl::memory& m) {
    return m.get() == v.memory.get();
  });
}

int builder::parameter_of_gradient(const view& v) const {
  for (std::size_t p = 0; p < parameters_.size(); ++p)
    for (const dnnl::memory& m : parameters_[p].gradients)
      if (m.get() == v.memory.get()) return static_cast<int>(p);
  TROUPE_ASSERT(false, "the only external memory that is written is a parameter's gradient");
}

void builder::build_backward() {
  for (auto build = backward_builders_.rbegin(); build != backward_builders_.rend(); ++build) {
    begin_unit(build->first);
    build->second();
  }
  backward_builders_.clear();
}

void builder::contribute(int index, view v, bool owned) {
  contributions_[static_cast<std::size_t>(index)].push_back({std::move(v), owned});
}

view builder::sum(const view& a, const view& b, const view& target, int index) {
  add_(*this, name(index, "sum of gradients"), a, b, target);
  return target;
}

gradient builder::gradient_of(int index) {
  auto& parts = contributions_[static_cast<std::size_t>(index)];
  TROUPE_ASSERT(!parts.empty(), "every node leads to the output");
  gradient total = parts.front();
  for (std::size_t i = 1; i < parts.size(); ++i) {
    const view next =
        as(phase::backward, name(index, "gradient"), parts[i].value, total.value.desc());
    // oneDNN's addition works in place on its first operand alone.
    const bool next_owned = parts[i].owned || next.slot != parts[i].value.slot;
    if (total.owned)
      total = {sum(total.value, next, total.value, index), true};
    else if (next_owned)
      total = {sum(next, total.value, next, index), true};
    else
      total = {sum(total.value, next, make(total.value.desc()), index), true};
  }
  parts = {total}; // asked again, it is not summed again
  return total;
}

std::vector<gradient> builder::gradient_parts(int index, const memory_desc& desc) {
  auto& parts = contributions_[static_cast<std::size_t>(index)];
  if (parts.size() != 2) return {gradient_as(index, desc)};
  for (gradient& part : parts) {
    const view v = as(phase::backward, name(index, "gradient"), part.value, desc);
    part = {v, part.owned || v.slot != part.value.slot};
  }
  return parts;
}

void builder::leave_bias_gradient(int index, view place) {
  left_bias_gradients_[index] = std::move(place);
}

std::optional<view> builder::take_bias_gradient(int index) {
  const auto found = left_bias_gradients_.find(index);
  if (found == left_bias_gradients_.end()) return std::nullopt;
  const view place = found->second;
  left_bias_gradients_.erase(found);
  return place;
}

gradient builder::gradient_as(int index, const memory_desc& desc) {
  const gradient g = gradient_of(index);
  const view v = as(phase::backward, name(index, "gradient"), g.value, desc);
  return {v, g.owned || v.slot != g.value.slot};
}

} // namespace troupe::kernels
