#include "ops/kernels/cpu_program.hpp"

#include "ops/assert.hpp"
#include "ops/kernels/blocks.hpp"

#include <algorithm>
#include <chrono>

namespace troupe::kernels {

cpu_program::cpu_program(builder&& built, const view& output, const view& output_gradient)
    : microbatch_(built.microbatch()),
      input_shape_(built.model().input.with_batch(microbatch_)),
      output_shape_(built.model().output().with_batch(microbatch_)),
      training_(built.training()),
      key_(built.key_),
      stream_(cpu_engine()),
      bind_(std::move(built.bind_)),
      forward_(std::move(built.forward_)),
      backward_(std::move(built.backward_)),
      inputs_(std::move(built.inputs_)),
      output_(output.memory),
      output_gradient_(output_gradient.memory),
      parameters_(std::move(built.parameters_)) {
  place_values(built.slots_, output, output_gradient);
  place_parameters(built.graph_, built.options_);
  for (std::vector<operation>* list : {&bind_, &forward_, &backward_})
    seal(*list);
}

// Time runs: bind operations (below zero), forward operations, the loss, backward operations. What
// a bind operation leaves to others lives always, and so does the scratch memory that all share.
void cpu_program::place_values(std::vector<slot>& slots,
                               const view& output,
                               const view& output_gradient) {
  const int begin = -static_cast<int>(bind_.size());
  const int loss_time = static_cast<int>(forward_.size());
  const int end = loss_time + static_cast<int>(backward_.size()) + 1;
  std::vector<lifetime> lives;
  for (const slot& s : slots)
    lives.push_back({s.bytes, end, begin}); // an empty life where nothing touches it
  const auto touch = [&](const view& v, int from, int to) {
    if (v.slot == view::external) return;
    lifetime& life = lives[static_cast<std::size_t>(v.slot)];
    life.first = std::min(life.first, from);
    life.last = std::max(life.last, to);
  };
  std::size_t scratch_bytes = 0;
  const auto touch_all = [&](const std::vector<operation>& list, auto time_of) {
    for (std::size_t i = 0; i < list.size(); ++i) {
      const auto [from, to] = time_of(static_cast<int>(i));
      for (const auto& [argument, v] : list[i].uses)
        touch(v, from, to);
      if (list[i].scratch) scratch_bytes = std::max(scratch_bytes, list[i].scratch->get_size());
    }
  };
  touch_all(bind_, [&](int i) { return std::pair(begin + i, begin + i); });
  touch_all(forward_, [&](int i) { return std::pair(i, i); });
  touch_all(backward_, [&](int i) { return std::pair(loss_time + 1 + i, loss_time + 1 + i); });
  touch(output, loss_time, end);
  touch(output_gradient, loss_time, loss_time);
  for (lifetime& life : lives) {
    if (life.first < 0 && life.last >= 0) life = {life.bytes, begin, end};
  }
  lives.push_back({scratch_bytes, begin, end});

  arena_ = aligned_buffer(plan_arena(lives));
  for (std::size_t i = 0; i < slots.size(); ++i) {
    for (dnnl::memory& m : slots[i].memories)
      m.set_data_handle(arena_.data() + lives[i].offset);
  }
  for (std::vector<operation>* list : {&bind_, &forward_, &backward_}) {
    for (operation& op : *list) {
      if (op.scratch)
        op.uses.emplace_back(
            DNNL_ARG_SCRATCHPAD,
            view{dnnl::memory(*op.scratch, cpu_engine(), arena_.data() + lives.back().offset)});
    }
  }
}

void cpu_program::place_parameters(const graph& g, const compile_options& options) {
  layout_ = options.layout != nullptr ? *options.layout
                                      : layout_in_blocks(g, parameters_, options.block_bytes_min);
  gaps_.resize(layout_.blocks.size());
  for (std::size_t block = 0; block < layout_.blocks.size(); ++block) {
    std::vector<std::pair<std::int64_t, std::int64_t>> used;
    for (const placed_parameter& place : layout_.places) {
      if (place.block == static_cast<int>(block))
        used.emplace_back(place.offset, place.offset + place.size);
    }
    std::sort(used.begin(), used.end());
    std::int64_t at = 0;
    used.emplace_back(layout_.blocks[block].size, layout_.blocks[block].size);
    for (const auto& [from, to] : used) {
      if (from > at) gaps_[block].push_back({at, from - at});
      at = to;
    }
  }
  // A block is complete with the last operation that writes into it.
  std::vector<int> last(layout_.blocks.size(), -1);
  for (std::size_t p = 0; p < parameters_.size(); ++p) {
    for (const dnnl::memory& gradient : parameters_[p].gradients) {
      for (std::size_t i = 0; i < backward_.size(); ++i) {
        const auto& uses = backward_[i].uses;
        if (std::any_of(uses.begin(), uses.end(), [&](const auto& use) {
              return use.second.memory.get() == gradient.get();
            }))
          last[static_cast<std::size_t>(layout_.places[p].block)] = std::max(
              last[static_cast<std::size_t>(layout_.places[p].block)], static_cast<int>(i));
      }
    }
  }
  if (!training_) return;
  for (std::size_t block = 0; block < last.size(); ++block) {
    TROUPE_ASSERT(last[block] >= 0, "every block has a gradient");
    backward_[static_cast<std::size_t>(last[block])].completes_blocks.push_back(
        static_cast<int>(block));
  }
}

void cpu_program::seal(std::vector<operation>& operations) {
  for (operation& op : operations) {
    if (!op.primitive) continue;
    for (const auto& [argument, v] : op.uses)
      op.arguments.push_back({argument, v.memory.get()});
  }
}

void cpu_program::bind(std::span<const tensor> blocks) {
  TROUPE_ASSERT(blocks.size() == layout_.blocks.size(), "one tensor per block");
  for (std::size_t i = 0; i < blocks.size(); ++i)
    TROUPE_ASSERT(blocks[i].elements() == layout_.blocks[i].size, "a tensor has its block's size");
  use_one_thread();
  blocks_.assign(blocks.begin(), blocks.end());
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const placed_parameter& place = layout_.places[i];
    const float* data = blocks_[static_cast<std::size_t>(place.block)].data() + place.offset;
    // oneDNN has no read-only memory; parameters are never a target.
    if (parameters_[i].given) parameters_[i].given.set_data_handle(const_cast<float*>(data));
  }
  bound_anew_ = true;
}

void cpu_program::forward(const tensor& input, const microbatch_key& key) {
  TROUPE_ASSERT(!blocks_.empty() || layout_.blocks.empty(), "bind comes before forward");
  TROUPE_ASSERT(input.dims() == input_shape_, "the program was compiled for another input");
  use_one_thread();
  *key_ = key;
  input_ = input;
  for (dnnl::memory& m : inputs_)
    m.set_data_handle(const_cast<float*>(input.data())); // never a target
  if (bound_anew_) {
    for (operation& op : bind_)
      run(op);
    bound_anew_ = false;
  }
  for (operation& op : forward_) {
    if (cancelled()) return;
    run(op);
  }
}

std::span<const float> cpu_program::output() {
  return {floats(output_), static_cast<std::size_t>(output_shape_.elements())};
}

loss_value cpu_program::compute_loss(const loss& l, const tensor& targets, double normaliser) {
  std::span<float> gradient;
  if (training_)
    gradient = {floats(output_gradient_), static_cast<std::size_t>(output_shape_.elements())};
  return evaluate_loss(l, output(), targets.values(), microbatch_, normaliser, gradient);
}

void cpu_program::take_gradients() {
  gradients_.clear();
  for (std::size_t block = 0; block < layout_.blocks.size(); ++block) {
    gradients_.push_back(buffer_pool::global().take(shape{layout_.blocks[block].size}));
    for (const gap& g : gaps_[block])
      std::fill_n(gradients_[block].data() + g.offset, g.size, 0.0F);
  }
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const placed_parameter& place = layout_.places[i];
    float* data = gradients_[static_cast<std::size_t>(place.block)].data() + place.offset;
    for (dnnl::memory& m : parameters_[i].gradients)
      m.set_data_handle(data);
  }
}

void cpu_program::backward(gradient_sink& sink) {
  TROUPE_ASSERT(training_, "evaluation programs have no backward pass");
  use_one_thread();
  take_gradients();
  for (operation& op : backward_) {
    if (cancelled()) break;
    run(op);
    for (int block : op.completes_blocks)
      sink.on_gradient(block, std::move(gradients_[static_cast<std::size_t>(block)]).freeze());
  }
  gradients_.clear();
}

void cpu_program::run(operation& op) {
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
  using clock = std::chrono::steady_clock; // for people: no result depends on it
  const auto start = clock::now();
  execute();
  op.seconds += std::chrono::duration<double>(clock::now() - start).count();
}

bool cpu_program::cancelled() const {
  return cancel_ != nullptr && cancel_->load(std::memory_order_relaxed);
}

void cpu_program::profile(bool on) {
  profiling_ = on;
  if (!on) return;
  for (std::vector<operation>* list : {&bind_, &forward_, &backward_}) {
    for (operation& op : *list)
      op.seconds = 0;
  }
}

std::vector<kernel_time> cpu_program::profile() const {
  std::vector<kernel_time> result;
  for (const std::vector<operation>* list : {&bind_, &forward_, &backward_}) {
    for (const operation& op : *list)
      result.push_back({op.name, op.seconds});
  }
  return result;
}

} // namespace troupe::kernels
