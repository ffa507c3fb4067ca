// What a layer shard tells of itself: how far it is, what it needs, how long it takes.
#include "actors/layer_shard.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>

namespace troupe {

// What it has reported is on its way, or lost.
void layer_shard::tell_where() {
  if (options_.runs_ahead && begun_)
    world_.send(options_.director, protocol::reports_told{world_.self(), step_});
}

// How many steps ahead of the one that is computed batches are here.
void layer_shard::note_prefetch(std::uint64_t step, std::uint64_t bound) {
  if (!begun_ || step < ahead_) return;
  credit_.note(world_,
               {credit_kind::prefetch,
                place_.loader,
                world_.self(),
                bound,
                (step - ahead_) / options_.every});
}

// While no kernel runs. Of one step the kernels know the most; of several, this follows each
// operation.
void layer_shard::measure_memory() {
  protocol::memory_used now{world_.self()};
  for (const auto& [number, step] : steps_) {
    now.in_flight += step.lent->in_flight;
    now.program_bytes += step.lent->used.program_bytes;
  }
  const auto& ran = steps_.at(computing_.front().step).lent->used;
  now.in_flight = std::max({now.in_flight, ran.in_flight, memory_.in_flight});
  now.program_bytes = std::max(now.program_bytes, memory_.program_bytes);
  if (now.in_flight == memory_.in_flight && now.program_bytes == memory_.program_bytes) return;
  memory_ = now;
  world_.send(options_.recorder, now);
}

// How long its kernels took for its share of the step, or for what they have begun of it.
void layer_shard::tell_share(bool overtaken) {
  const auto& state = steps_.at(step_);
  auto begun = static_cast<std::ptrdiff_t>(state.operations) -
               std::count(state.computed.begin(), state.computed.end(), false);
  auto time = computed_for_;
  if (busy_ && kernels_began_)
    time += world_.now() - *kernels_began_;
  else if (busy_)
    begun -= std::ssize(computing_);
  if (!options_.dealt || begun == 0) return;
  world_.send(
      options_.director,
      protocol::share_computed{.step = step_,
                               .who = world_.self(),
                               .microbatches = static_cast<double>(begun) * state.mine->run.count /
                                               static_cast<double>(state.operations),
                               .seconds = std::chrono::duration<double>(time).count(),
                               .overtaken = overtaken});
}

} // namespace troupe
