// What a layer shard needs to compute its part of each step: how many microbatches are in flight,
// and the programs for them, on whatever device.
#include "gpu/compile.hpp"
#include "gpu/open_device.hpp"
#include "troupe/casting.hpp"
#include "troupe/model_parts.hpp"

#include <algorithm>
#include <utility>

namespace troupe {

namespace {

// With recomputation activations are kept from backward's begin.
int most_in_flight(const std::vector<schedule_op>& schedule, bool recompute) {
  int now = 0, most = 1;
  const auto begins = recompute ? op_kind::backward_input : op_kind::forward;
  for (const auto& op : schedule) {
    if (op.kind == begins) most = std::max(most, ++now);
    if (op.kind == op_kind::backward_weights || (op.kind == op_kind::backward && !recompute)) --now;
    // A forward pass, or a backward pass that is not split, needs one for itself.
    if (recompute && (op.kind == op_kind::forward || op.kind == op_kind::backward))
      most = std::max(most, now + 1);
  }
  return most;
}

} // namespace

int most_in_flight(const wiring& w, const wired_role& shard) {
  const auto delay = static_cast<int>(delay_of(w, shard));
  if (delay == 0) return most_in_flight(shard.schedule, w.recompute);
  return static_cast<int>(shard.microbatches.count) * (delay + 1);
}

std::uint64_t delay_of(const wiring& w, const wired_role& shard) {
  return w.stash_weights ? static_cast<std::uint64_t>(w.stages - 1 - shard.where.stage) : 0;
}

kernel_plan kernel_plan_of(const wiring& w, const wired_role& shard) {
  kernel_plan out{.device = shard.device};
  for (const int p : shard.parts) {
    auto own = shard.schedule;
    std::erase_if(own, [&](const schedule_op& op) { return op.part != p; });
    out.in_flight.emplace_back(p,
                               delay_of(w, shard) > 0 ? static_cast<int>(shard.microbatches.count)
                                                      : most_in_flight(own, w.recompute));
  }
  out.split_backward =
      std::any_of(shard.schedule.begin(), shard.schedule.end(), [](const auto& op) {
        return op.kind == op_kind::backward_input;
      });
  return out;
}

compile_options compile_options_of(const wiring& w) {
  compile_options out{.microbatch = w.job.batch / w.job.microbatches,
                      .row_major = w.uses_devices(),
                      .block_bytes_min = w.block_bytes_min,
                      .block_bytes_max = w.block_bytes_max,
                      .part_of_piece = w.part_of_piece()};
  if (out.row_major && !out.part_of_piece.empty())
    out.part_of_node =
        part_of_node(graph_of(w.job), pieces_of(w.job), std::exchange(out.part_of_piece, {}));
  return out;
}

program_compiler compiler_for(const std::string& device) {
  if (device.empty()) return compile_cpu;
  return [on = gpu::open_device(device)](const graph& g, const compile_options& options) {
    return gpu::compile(on, g, options);
  };
}

std::vector<shard_kernels::part> compiled(const graph& g,
                                          const kernel_plan& plan,
                                          compile_options options,
                                          const program_compiler& compile) {
  std::vector<shard_kernels::part> out;
  options.split_backward = plan.split_backward;
  for (const auto& [part, count] : plan.in_flight) {
    auto& made = out.emplace_back(shard_kernels::part{part, {}});
    options.part = part;
    options.has_siblings = count > 1;
    options.sibling_of = nullptr;
    for (int i = 0; i < count; ++i) {
      made.in_flight.push_back(compile(g, options));
      options.sibling_of = made.in_flight.front().get();
    }
  }
  return out;
}

} // namespace troupe
