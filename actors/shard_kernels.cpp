#include "actors/shard_kernels.hpp"

#include "ops/assert.hpp"

#include <algorithm>

namespace troupe {

namespace {

struct boundary_sink final : value_sink {
  const shard_kernels::listener& to;
  std::uint64_t step;
  std::uint32_t microbatch;

  boundary_sink(const shard_kernels::listener& l, std::uint64_t t, std::uint32_t m)
      : to(l), step(t), microbatch(m) {}

  void on_value(int crossing, tensor value) override {
    to.on_boundary({step, microbatch, crossing, std::move(value)});
  }
};

struct nobody final : value_sink {
  void on_value(int, tensor) override {}
};

struct summing_sink final : gradient_sink {
  std::function<void(int, tensor)> take;

  void on_gradient(int block, tensor gradient) override { take(block, std::move(gradient)); }
};

} // namespace

shard_kernels::shard_kernels(std::vector<part> parts, bool recompute)
    : parts_(std::move(parts)), recompute_(recompute) {}

void shard_kernels::begin(const step& next, std::span<const tensor> parameters) {
  step_ = next;
  busy_.clear();
  free_.clear();
  std::erase_if(sums_, [&](const auto& s) { return s.first.second >= step_.spans.size(); });
  for (auto& [key, sum] : sums_)
    sum = tree_sum(step_.microbatches, step_.spans[key.second]);
  busy_most_ = 0;
  for (auto& [index, now] : in_flight_)
    now = 0;
  const bool bound = is_bound(parameters);
  bound_.assign(parameters.begin(), parameters.end());
  for (part& p : parts_)
    for (const auto& compiled : p.in_flight) {
      if (!bound) compiled->bind(parameters);
      free_[p.index].push_back(compiled.get());
    }
}

// Whether they are the very same tensors: other shards of this process computed with them.
bool shard_kernels::is_bound(std::span<const tensor> parameters) const {
  return std::equal(parameters.begin(),
                    parameters.end(),
                    bound_.begin(),
                    bound_.end(),
                    [](const tensor& a, const tensor& b) { return a.data() == b.data(); });
}

std::size_t shard_kernels::memory_bytes() const {
  std::size_t out = 0;
  for (const part& p : parts_)
    for (const auto& compiled : p.in_flight)
      out += compiled->memory_bytes();
  return out;
}

program& shard_kernels::program_of(const schedule_op& op) {
  auto& mine = busy_[{op.part, op.microbatch}];
  if (mine == nullptr) {
    auto& rest = free_[op.part];
    TROUPE_ASSERT(!rest.empty(), "a program for each microbatch in flight");
    mine = rest.back();
    rest.pop_back();
    busy_most_ = std::max(busy_most_, busy());
  }
  return *mine;
}

void shard_kernels::release(const schedule_op& op) {
  const auto found = busy_.find({op.part, op.microbatch});
  free_[op.part].push_back(found->second);
  busy_.erase(found);
}

void shard_kernels::count(const task& t, const listener& out) {
  auto& now = in_flight_[t.op.part];
  if (t.op.kind == op_kind::forward && ++now > t.in_flight_known) out.on_in_flight(t.op.part, now);
  if (t.op.kind == op_kind::backward || t.op.kind == op_kind::backward_weights) --now;
}

void shard_kernels::run(const task& t,
                        const loss& criterion,
                        const listener& out,
                        const std::atomic<bool>& cancel) {
  program& p = program_of(t.op);
  count(t, out);
  p.cancel_when(&cancel);
  boundary_sink values(out, step_.number, t.microbatch);
  if (t.op.kind == op_kind::forward) {
    forward(p, t, values);
    if (p.computes_loss()) {
      const auto value = p.compute_loss(criterion, t.data.targets, t.data.normaliser);
      if (!cancel)
        out.on_report({step_.number, t.microbatch, value.sum, t.data.normaliser, value.correct});
    }
    if (recompute_) release(t.op);
  } else {
    if (recompute_ && t.op.kind != op_kind::backward_weights) {
      nobody known;
      forward(p, t, known);
      if (p.computes_loss()) p.compute_loss(criterion, t.data.targets, t.data.normaliser);
    }
    backward(p, t, values, out);
    if (t.op.kind != op_kind::backward_input) release(t.op);
  }
  p.cancel_when(nullptr);
}

void shard_kernels::backward(program& p, const task& t, value_sink& values, const listener& out) {
  summing_sink sums;
  sums.take = [&](int block, tensor gradient) {
    tree_span span;
    if (auto total = add(block, t.microbatch, std::move(gradient), span))
      hand_on(block, span, std::move(*total), out);
  };
  for (const auto& [crossing, value] : t.values)
    if (p.crossings()[static_cast<std::size_t>(crossing)].needed == pass::backward)
      p.receive(crossing, value);
  p.backward(sums,
             values,
             t.op.kind == op_kind::backward         ? gradients::all
             : t.op.kind == op_kind::backward_input ? gradients::inputs
                                                    : gradients::weights);
}

// Compressed, where the job says so. The residual goes first: who has the gradient can be sure that
// it is kept.
void shard_kernels::hand_on(int block, tree_span span, tensor total, const listener& out) const {
  if (step_.codecs.empty()) {
    out.on_gradient({step_.number, block, span, std::move(total)});
    return;
  }
  const auto& codec = *step_.codecs[static_cast<std::size_t>(block)];
  mutable_tensor residual;
  if (codec.residual_elements() > 0) {
    const tensor& before = step_.residuals.at({block, span.first});
    residual = buffer_pool::global().take(before.dims());
    std::copy_n(before.data(), before.elements(), residual.data());
  }
  tensor payload =
      codec.encode(total, residual.values(), {step_.seed, step_.number, 0, span.first});
  if (residual) out.on_residual({step_.number, block, span.first, std::move(residual).freeze()});
  out.on_gradient({step_.number, block, span, std::move(payload), true});
}

void shard_kernels::forward(program& p, const task& t, value_sink& values) const {
  for (const auto& [crossing, value] : t.values)
    if (p.crossings()[static_cast<std::size_t>(crossing)].needed == pass::forward)
      p.receive(crossing, value);
  p.forward(t.data.inputs, {step_.seed, step_.number, t.microbatch}, values);
}

std::optional<tensor>
shard_kernels::add(int block, std::uint32_t of_batch, tensor gradient, tree_span& span) {
  const std::uint32_t microbatch = of_batch - step_.first;
  for (std::size_t i = 0; i < step_.spans.size(); ++i) {
    const tree_span& s = step_.spans[i];
    if (microbatch < s.first || microbatch >= s.first + s.count) continue;
    span = s;
    auto& sum = sums_.try_emplace({block, i}, step_.microbatches, s).first->second;
    return sum.add({microbatch, 1}, std::move(gradient));
  }
  TROUPE_ASSERT(false, "a microbatch of this shard");
}

} // namespace troupe
