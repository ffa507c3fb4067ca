#include "actors/residual_keeper.hpp"

#include <utility>

namespace troupe {

residual_keeper::residual_keeper(context& world, residual_keeper_options options)
    : world_(world), steps_kept_(options.steps_kept) {
  for (const auto& r : options.start)
    kept_[r.step][{r.block, r.first_microbatch}] = r.value;
}

void residual_keeper::on(const protocol::residual& m) {
  kept_[m.step][{m.block, m.first_microbatch}] = m.value;
  tell_shard(m);
  tell_saving(m);
  std::erase_if(kept_, [&, newest = kept_.rbegin()->first](const auto& step) {
    return step.first + steps_kept_ <= newest;
  });
}

// The gradients of the shard before may have made the step possible while the residuals that it
// sent with them are still on their way.
void residual_keeper::on(const protocol::want_residuals& m) {
  if (wanted_ && m.step < wanted_->step) return; // no shard goes back
  wanted_ = m;
  if (const auto found = kept_.find(m.step); found != kept_.end())
    for (const auto& [key, value] : found->second)
      tell_shard({found->first, key.first, key.second, value});
  else if (!world_.begins())
    world_.send(m.reply_to, protocol::want_residuals{world_.self(), m.step});
}

// What a step left out belongs to the next one: of the version that is saved is what the step with
// its number adds. It may come later than the question.
void residual_keeper::on(const protocol::want_state& m) {
  asked_ = m;
  if (const auto found = kept_.find(m.version); found != kept_.end())
    for (const auto& [key, value] : found->second)
      tell_saving({found->first, key.first, key.second, value});
}

void residual_keeper::tell_shard(const protocol::residual& m) {
  if (wanted_ && wanted_->step == m.step) world_.send(wanted_->reply_to, m);
}

void residual_keeper::tell_saving(const protocol::residual& m) {
  if (asked_ && asked_->version == m.step)
    world_.send(asked_->reply_to, protocol::kept_residual{asked_->request, m});
}

} // namespace troupe
