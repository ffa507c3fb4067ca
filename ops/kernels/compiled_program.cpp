#include "ops/kernels/compiled_program.hpp"

#include "ops/assert.hpp"
#include "ops/kernels/blocks.hpp"
#include "ops/kernels/partition.hpp"
#include "ops/thread_time.hpp"

#include <algorithm>

namespace troupe::kernels {

namespace {

loss_function loss_of_tensors(const shape& output) {
  return [n = output[0], size = static_cast<std::size_t>(output.elements())](
             const loss& l, const tensor& targets, double normaliser, const float* z, float* dz) {
    return evaluate_loss(
        l, {z, size}, targets.values(), n, normaliser, {dz, dz != nullptr ? size : 0});
  };
}

} // namespace

compiled_program::compiled_program(builder&& built,
                                   const view& output,
                                   const view& output_gradient,
                                   const part_map& parts,
                                   const backend& by)
    : memory_(by.memory),
      microbatch_(built.microbatch()),
      part_(built.options_.part),
      input_shape_(built.model().input.with_batch(microbatch_)),
      output_shape_(built.model().output().with_batch(microbatch_)),
      training_(built.training()),
      key_(built.key_),
      stream_(cpu_engine()),
      inputs_(std::move(built.inputs_)),
      output_(output.memory),
      output_gradient_(output_gradient.memory),
      parameters_(std::move(built.parameters_)),
      has_siblings_(built.options_.has_siblings) {
  if (const auto* first = dynamic_cast<const compiled_program*>(built.options_.sibling_of)) {
    first_ = false;
    shared_ = first->shared_;
    TROUPE_ASSERT(shared_.data, "the first sibling knows that it has siblings");
  }
  note_phases(built, output, output_gradient, parts);
  take_part(built, output, output_gradient, parts);
  place_values(built.slots_, lives_of(built.slots_, output, output_gradient));
  place_parameters(built.graph_, built.options_, parts);
  for (std::vector<operation>* list : {&bind_, &forward_, &backward_})
    seal(*list);
  if (computes_loss_)
    loss_ = by.make_loss ? by.make_loss(output_shape_) : loss_of_tensors(output_shape_);
}

// Weights are told from inputs as if each piece were a part.
void compiled_program::note_phases(builder& built,
                                   const view& output,
                                   const view& output_gradient,
                                   const part_map& parts) {
  for (std::vector<operation>* list : {&built.bind_, &built.forward_, &built.backward_})
    for (operation& op : *list) {
      op.piece = parts.pieces[static_cast<std::size_t>(op.unit)];
      op.during = list == &built.bind_      ? kernel_phase::bind
                  : list == &built.forward_ ? kernel_phase::forward
                                            : kernel_phase::backward_inputs;
    }
  if (built.backward_.empty()) return;
  const auto weights =
      weight_operations(built, cut(built, {parts.pieces, {}, {}}, output, output_gradient));
  for (std::size_t i = 0; i < weights.size(); ++i)
    if (weights[i]) built.backward_[i].during = kernel_phase::backward_weights;
}

// Deals out the operations. Where backward is split, those of the weights go to the end.
void compiled_program::take_part(const builder& built,
                                 const view& output,
                                 const view& output_gradient,
                                 const part_map& parts) {
  const partition cuts = cut(built, parts, output, output_gradient);
  const auto own = [&](const operation& op) {
    return parts.of_unit[static_cast<std::size_t>(op.unit)] == part_;
  };
  const auto take = [&](const std::vector<operation>& from, pass when, auto&& wanted) {
    std::vector<operation> out;
    for (std::size_t i = 0; i < from.size(); ++i) {
      if (!own(from[i]) || !wanted(i)) continue;
      out.push_back(from[i]);
      for (const sending& s : cuts.sendings)
        if (s.when == when && s.operation == static_cast<int>(i))
          out.back().completes_values.push_back(s.crossing);
    }
    return out;
  };
  const auto all = [](std::size_t) { return true; };
  for (const operation& op : built.bind_)
    if (own(op)) bind_.push_back(op);
  forward_ = take(built.forward_, pass::forward, all);
  const std::vector<bool> deferred = built.options_.split_backward
                                         ? weight_operations(built, cuts)
                                         : std::vector<bool>(built.backward_.size(), false);
  backward_ = take(built.backward_, pass::backward, [&](std::size_t i) { return !deferred[i]; });
  weights_begin_ = backward_.size();
  for (operation& op :
       take(built.backward_, pass::backward, [&](std::size_t i) { return deferred[i]; }))
    backward_.push_back(std::move(op));
  boundary_ = boundary_values(cuts, part_, built.slots_, forward_, backward_, memory_);

  computes_loss_ = (parts.of_unit.empty() ? 0 : parts.of_unit.back()) == part_;
  const auto reads_input = [&](const operation& op) {
    return std::any_of(
        op.uses.begin(), op.uses.end(), [&](const use& used) { return is_input(used.value); });
  };
  reads_input_ = std::any_of(forward_.begin(), forward_.end(), reads_input) ||
                 std::any_of(backward_.begin(), backward_.end(), reads_input);
  if (reads_input_) shown_input_ = mirror(memory_, input_shape_.elements());
}

bool compiled_program::is_input(const view& v) const {
  return std::any_of(inputs_.begin(), inputs_.end(), [&](const dnnl::memory& m) {
    return m.get() == v.memory.get();
  });
}

// Time runs: bind operations (below zero), forward operations, the loss, backward operations.
// Values of other parts arrive when the pass begins that needs them.
std::vector<lifetime> compiled_program::lives_of(const std::vector<slot>& slots,
                                                 const view& output,
                                                 const view& output_gradient) const {
  const int begin = -static_cast<int>(bind_.size());
  const int loss_time = static_cast<int>(forward_.size());
  const int end = loss_time + static_cast<int>(backward_.size()) + 1;
  std::vector<lifetime> lives;
  for (const slot& s : slots)
    lives.push_back({s.bytes, end, begin}); // an empty life where nothing touches it
  const auto touch = [&](int slot, int time) {
    if (slot == view::external) return;
    lifetime& life = lives[static_cast<std::size_t>(slot)];
    life.first = std::min(life.first, time);
    life.last = std::max(life.last, time);
  };
  const auto touch_all = [&](const std::vector<operation>& list, int first_time) {
    for (std::size_t i = 0; i < list.size(); ++i)
      for (const use& used : list[i].uses)
        touch(used.value.slot, first_time + static_cast<int>(i));
  };
  touch_all(bind_, begin);
  touch_all(forward_, 0);
  touch_all(backward_, loss_time + 1);
  // Before the first operation of the pass; a pass for the inputs may have none, and what it
  // receives is kept for the weights.
  const int backward_time = weights_begin_ == 0 ? loss_time : loss_time + 1;
  const auto& crossings = boundary_.crossings();
  for (std::size_t c = 0; c < crossings.size(); ++c)
    if (crossings[c].to == part_)
      touch(boundary_.slot_of(static_cast<int>(c)),
            crossings[c].needed == pass::forward ? 0 : backward_time);
  if (computes_loss_) {
    touch(output.slot, loss_time);
    touch(output.slot, end); // people look at it after the pass
    touch(output_gradient.slot, loss_time);
  }
  for (lifetime& life : lives) // what bind operations leave to others is kept
    if (life.first < 0 && life.last >= 0) life = {life.bytes, begin, end};
  for (std::size_t i = 0; i < lives.size(); ++i)
    if (!boundary_.needs_place(static_cast<int>(i))) lives[i].bytes = 0;
  return lives;
}

bool compiled_program::outlives_pass(const lifetime& life) const {
  const int loss_time = static_cast<int>(forward_.size());
  const auto spans = [&](int time) { return life.first <= time && life.last > time; };
  return life.first >= 0 &&
         (spans(loss_time) || spans(loss_time + static_cast<int>(weights_begin_)));
}

// A program alone has one arena. Siblings share one, but for what outlives a pass.
void compiled_program::place_values(std::vector<slot>& slots, std::vector<lifetime> lives) {
  std::size_t scratch_bytes = 0;
  for (const std::vector<operation>* list : {&bind_, &forward_, &backward_})
    for (const operation& op : *list)
      if (op.scratch) scratch_bytes = std::max(scratch_bytes, op.scratch->get_size());
  const int begin = -static_cast<int>(bind_.size());
  const int end = static_cast<int>(forward_.size() + backward_.size()) + 1;
  lives.push_back({scratch_bytes, begin, end});

  std::vector<lifetime> own, shared;
  std::vector<bool> is_shared;
  for (const lifetime& life : lives) {
    is_shared.push_back(has_siblings_ && !outlives_pass(life));
    (is_shared.back() ? shared : own).push_back(life);
  }
  arena_ = make_arena(plan_arena(own));
  const std::size_t shared_bytes = plan_arena(shared);
  if (has_siblings_ && first_) shared_ = make_arena(shared_bytes);

  std::vector<std::byte*> places;
  std::size_t next_own = 0, next_shared = 0;
  for (const bool s : is_shared)
    places.push_back(s ? shared_.data.get() + shared[next_shared++].offset
                       : arena_.data.get() + own[next_own++].offset);
  for (std::size_t i = 0; i < slots.size(); ++i)
    if (boundary_.needs_place(static_cast<int>(i)))
      for (dnnl::memory& m : slots[i].memories)
        m.set_data_handle(places[i]);
  for (std::vector<operation>* list : {&bind_, &forward_, &backward_}) {
    for (operation& op : *list) {
      if (op.scratch)
        op.uses.push_back({DNNL_ARG_SCRATCHPAD,
                           view{dnnl::memory(*op.scratch, cpu_engine(), places.back())},
                           true});
    }
  }
}

compiled_program::arena compiled_program::make_arena(std::size_t bytes) const {
  return {memory_->allocate(bytes), bytes};
}

void compiled_program::place_parameters(const graph& g,
                                        const compile_options& options,
                                        const part_map& parts) {
  layout_ = options.layout != nullptr
                ? *options.layout
                : layout_in_blocks(g, parameters_, options.block_bytes_min, parts.of_parameter);
  if (options.layout == nullptr && options.block_bytes_max > 0)
    layout_ = split_blocks(std::move(layout_),
                           options.block_bytes_max / static_cast<std::int64_t>(sizeof(float)));
  group_blocks(parts);
  find_gaps();
  if (training_) find_last_gradients();
}

void compiled_program::group_blocks(const part_map& parts) {
  std::vector<int> group_of_block;
  for (std::size_t b = 0; b < layout_.blocks.size(); ++b) {
    if (!layout_.blocks[b].continues) {
      groups_.emplace_back();
      groups_.back().first = static_cast<int>(b);
    }
    ++groups_.back().count;
    groups_.back().size += layout_.blocks[b].size;
    group_of_block.push_back(static_cast<int>(groups_.size()) - 1);
  }
  for (std::size_t p = 0; p < parameters_.size(); ++p) {
    group_of_parameter_.push_back(
        group_of_block[static_cast<std::size_t>(layout_.places[p].block)]);
    if (parts.of_parameter[p] == part_)
      groups_[static_cast<std::size_t>(group_of_parameter_.back())].own = true;
  }
  for (block_group& group : groups_) {
    if (!group.own) continue;
    if (group.count > 1 || !memory_->holds_tensors())
      group.parameters = memory_->allocate(static_cast<std::size_t>(group.size) * sizeof(float));
    if (training_) group.shown = mirror(memory_, group.size);
  }
}

bool compiled_program::owns(int block) const {
  for (const block_group& group : groups_)
    if (block >= group.first && block < group.first + group.count) return group.own;
  return false;
}

void compiled_program::find_gaps() {
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    block_group& group = groups_[g];
    std::vector<std::pair<std::int64_t, std::int64_t>> used;
    for (std::size_t p = 0; p < parameters_.size(); ++p) {
      const placed_parameter& place = layout_.places[p];
      if (group_of_parameter_[p] == static_cast<int>(g))
        used.emplace_back(place.offset, place.offset + place.size);
    }
    std::sort(used.begin(), used.end());
    std::int64_t at = 0;
    used.emplace_back(group.size, group.size);
    for (const auto& [from, to] : used) {
      if (from > at) group.gaps.push_back({at, from - at});
      at = to;
    }
  }
}

// A group is complete with the last operation that writes into it.
void compiled_program::find_last_gradients() {
  std::vector<int> last(groups_.size(), -1);
  for (std::size_t p = 0; p < parameters_.size(); ++p) {
    int& known = last[static_cast<std::size_t>(group_of_parameter_[p])];
    for (std::size_t i = 0; i < backward_.size(); ++i)
      for (const use& used : backward_[i].uses)
        for (const dnnl::memory& gradient : parameters_[p].gradients)
          if (used.value.memory.get() == gradient.get())
            known = std::max(known, static_cast<int>(i));
  }
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    if (!groups_[g].own) continue;
    TROUPE_ASSERT(last[g] >= 0, "every block has a gradient");
    backward_[static_cast<std::size_t>(last[g])].completes_groups.push_back(static_cast<int>(g));
  }
}

void compiled_program::seal(std::vector<operation>& operations) {
  for (operation& op : operations) {
    if (!op.primitive) continue;
    for (const use& used : op.uses)
      op.arguments.push_back({used.argument, used.value.memory.get()});
  }
}

void compiled_program::bind(std::span<const tensor> blocks) {
  TROUPE_ASSERT(blocks.size() == layout_.blocks.size(), "one tensor per block");
  use_one_thread();
  blocks_.assign(blocks.begin(), blocks.end());
  std::vector<const float*> data;
  for (block_group& group : groups_)
    data.push_back(group.own ? parameters_of(group) : nullptr);
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const float* group = data[static_cast<std::size_t>(group_of_parameter_[i])];
    if (group == nullptr || !parameters_[i].given) continue;
    // oneDNN has no read-only memory; parameters are never a target.
    parameters_[i].given.set_data_handle(const_cast<float*>(group) + layout_.places[i].offset);
  }
  if (!first_) return;
  for (operation& op : bind_)
    run(op);
}

const float* compiled_program::parameters_of(block_group& group) {
  auto* const all = reinterpret_cast<float*>(group.parameters.get());
  std::int64_t at = 0;
  for (int b = group.first; b < group.first + group.count; ++b) {
    const tensor& block = blocks_[static_cast<std::size_t>(b)];
    TROUPE_ASSERT(block.elements() == layout_.blocks[static_cast<std::size_t>(b)].size,
                  "a tensor has its block's size");
    if (all == nullptr) return block.data();
    memory_->upload(all + at, block.data(), block.elements());
    at += block.elements();
  }
  return all;
}

void compiled_program::forward(const tensor& input, const microbatch_key& key, value_sink& out) {
  TROUPE_ASSERT(!blocks_.empty() || layout_.blocks.empty(), "bind comes before forward");
  TROUPE_ASSERT(!reads_input_ || input.dims() == input_shape_,
                "the program was compiled for another input");
  use_one_thread();
  *key_ = key;
  input_ = input;
  if (reads_input_) {
    float* const shown = shown_input_.show(input_);
    for (dnnl::memory& m : inputs_)
      m.set_data_handle(shown);
  }
  boundary_.begin(pass::forward);
  for (operation& op : forward_) {
    if (cancelled()) return;
    run(op);
    boundary_.send(op, out);
  }
}

std::span<const float> compiled_program::output() {
  const auto size = static_cast<std::size_t>(output_shape_.elements());
  if (memory_->holds_tensors()) return {floats(output_), size};
  output_copy_.resize(size);
  memory_->download(output_copy_.data(), floats(output_), output_shape_.elements());
  return output_copy_;
}

loss_value compiled_program::compute_loss(const loss& l, const tensor& targets, double normaliser) {
  TROUPE_ASSERT(computes_loss_, "the loss is of another part");
  float* const gradient = training_ ? floats(output_gradient_) : nullptr;
  return loss_(l, targets, normaliser, floats(output_), gradient);
}

void compiled_program::take_gradients() {
  for (block_group& group : groups_) {
    if (!group.own) continue;
    group.gradient = buffer_pool::global().take(shape{group.size});
  }
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    block_group& group = groups_[static_cast<std::size_t>(group_of_parameter_[i])];
    if (!group.own) continue;
    float* data = group.shown.take(group.gradient) + layout_.places[i].offset;
    for (dnnl::memory& m : parameters_[i].gradients)
      m.set_data_handle(data);
  }
}

void compiled_program::hand_over(block_group& group, gradient_sink& sink) const {
  group.shown.finish(group.gradient);
  for (const gap& g : group.gaps)
    std::fill_n(group.gradient.data() + g.offset, g.size, 0.0F);
  const tensor all = std::move(group.gradient).freeze();
  std::int64_t at = 0;
  for (int b = group.first; b < group.first + group.count; ++b) {
    const std::int64_t size = layout_.blocks[static_cast<std::size_t>(b)].size;
    sink.on_gradient(b, group.count == 1 ? all : all.flat_range(at, size));
    at += size;
  }
}

void compiled_program::backward(gradient_sink& sink, value_sink& out, gradients which) {
  TROUPE_ASSERT(training_, "evaluation programs have no backward pass");
  use_one_thread();
  if (which != gradients::weights) {
    take_gradients();
    boundary_.begin(pass::backward);
  }
  const std::size_t first = which == gradients::weights ? weights_begin_ : 0;
  const std::size_t last = which == gradients::inputs ? weights_begin_ : backward_.size();
  for (std::size_t i = first; i < last && !cancelled(); ++i) {
    operation& op = backward_[i];
    run(op);
    boundary_.send(op, out);
    for (int group : op.completes_groups)
      hand_over(groups_[static_cast<std::size_t>(group)], sink);
  }
}

void compiled_program::run(operation& op) {
  const auto execute = [&] {
    if (op.function)
      op.function();
    else
      dnnl::error::wrap_c_api(dnnl_primitive_execute(op.primitive.get(),
                                                     stream_.get(),
                                                     static_cast<int>(op.arguments.size()),
                                                     op.arguments.data()),
                              "a primitive failed");
  };
  if (!profiling_) {
    execute();
    return;
  }
  const double start = thread_seconds();
  execute();
  op.seconds += thread_seconds() - start;
}

bool compiled_program::cancelled() const {
  return cancel_ != nullptr && cancel_->load(std::memory_order_relaxed);
}

void compiled_program::profile(bool on) {
  profiling_ = on;
  if (!on) return;
  for (std::vector<operation>* list : {&bind_, &forward_, &backward_}) {
    for (operation& op : *list)
      op.seconds = 0;
  }
}

std::vector<kernel_time> compiled_program::profile() const {
  std::vector<kernel_time> result;
  for (const std::vector<operation>* list : {&bind_, &forward_, &backward_}) {
    for (const operation& op : *list)
      result.push_back({op.name, op.seconds, op.piece, op.during});
  }
  return result;
}

} // namespace troupe::kernels
