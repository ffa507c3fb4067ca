// What a layer shard waits for: what its act rule finds missing.
#include "actors/layer_shard.hpp"

#include <algorithm>

namespace troupe {

std::vector<wait> layer_shard::waits() const {
  if (busy_)
    return {
        {.what = wait_kind::computation, .from = world_.self(), .step = computing_.front().step}};
  if (step_ >= options_.steps) return {};
  if (permitted_ < 0)
    return {{.what = wait_kind::permission, .from = options_.director, .step = step_}};
  std::vector<wait> out;
  if (options_.delay > 0) {
    add_waits(out, {step_, options_.backwards[next_]});
    const bool within = ahead_ <= step_ + options_.delay && same_epoch(ahead_, step_);
    if (within && ahead_ < options_.steps) add_waits(out, {ahead_, options_.forwards[ahead_next_]});
    return out;
  }
  if (!steps_.contains(step_)) {
    add_waits_to_begin(out, step_);
    return out;
  }
  const auto& computed = steps_.at(step_).computed;
  if (depth_.value() > 0) {
    for (const auto i : depth_.candidates(computed))
      add_waits(out, {step_, i});
    return out;
  }
  const auto next =
      std::find(computed.begin() + static_cast<std::ptrdiff_t>(next_), computed.end(), false);
  if (next != computed.end())
    add_waits(out, {step_, static_cast<std::size_t>(next - computed.begin())});
  return out;
}

// What begin() lacks.
void layer_shard::add_waits_to_begin(std::vector<wait>& out, std::uint64_t step) const {
  if (static_cast<std::int64_t>(step) > permitted_)
    out.push_back({.what = wait_kind::permission, .from = options_.director, .step = step});
  else if (!shares_.of(step))
    out.push_back({.what = wait_kind::share, .from = options_.director, .step = step});
  const auto here = incoming_.find(version_for(step));
  for (std::size_t b = 0; b < options_.own_blocks.size(); ++b) {
    const auto block = static_cast<int>(b);
    if (!options_.own_blocks[b] || (here != incoming_.end() && here->second.contains(block)))
      continue;
    out.push_back({.what = wait_kind::parameters,
                   .from = options_.holders[b],
                   .step = step,
                   .block = block,
                   .blocks = 1});
  }
}

// What can() lacks.
void layer_shard::add_waits(std::vector<wait>& out, const operation& o) const {
  if (!steps_.contains(o.step)) return add_waits_to_begin(out, o.step);
  if (static_cast<std::int64_t>(o.step) > permitted_)
    out.push_back({.what = wait_kind::permission, .from = options_.director, .step = o.step});
  const auto& op = at(o);
  const auto microbatch = microbatch_of(o);
  const auto add = [&](wait_kind what, const address& from) {
    out.push_back(
        {.what = what, .from = from, .step = o.step, .microbatch = microbatch, .microbatches = 1});
  };
  if (op.kind != op_kind::forward && !has_residuals(o.step))
    out.push_back({.what = wait_kind::residual, .from = place_.keeper, .step = o.step});
  if (op.kind == op_kind::forward && (options_.reads_input || options_.computes_loss) &&
      !batches_.contains({o.step, microbatch}))
    add(wait_kind::batch, place_.loader);
  for (std::size_t c = 0; c < options_.crossings.size(); ++c) {
    const auto crossing = static_cast<int>(c);
    if (!reads(op, crossing) || values_.contains({o.step, microbatch, crossing})) continue;
    const auto& read = options_.crossings[c];
    add(read.needed == pass::forward ? wait_kind::activation : wait_kind::output_gradient,
        place_.shard_of_part[static_cast<std::size_t>(read.from)]);
  }
}

} // namespace troupe
