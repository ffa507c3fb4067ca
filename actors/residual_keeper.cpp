#include "actors/residual_keeper.hpp"

#include <utility>

namespace troupe {

residual_keeper::residual_keeper(context& world, residual_keeper_options options)
    : world_(world),
      shard_(options.shard),
      director_(options.director),
      residuals_of_step_(options.start.size()),
      steps_kept_(options.steps_kept) {
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

std::vector<wait> residual_keeper::waits() const {
  if (!wanted_ || kept_.contains(wanted_->step)) return {};
  return {{.what = wait_kind::residual, .from = wanted_->reply_to, .step = wanted_->step}};
}

// The gradients of the shard before may have made the step possible while the residuals that it
// sent with them are still on their way.
void residual_keeper::on(const protocol::want_residuals& m) {
  if (wanted_ && m.step < wanted_->step) return; // no shard goes back
  wanted_ = m;
  if (const auto found = kept_.find(m.step); found != kept_.end())
    for (const auto& [key, value] : found->second)
      tell_shard({found->first, key.first, key.second, value});
  if (!lacks(m.step)) return;
  if (asked_of_shard_ != m.step) return ask_shard(m.step);
  // What the shard before has sent came before what this one asks.
  world_.send(director_, protocol::state_lost{world_.self()});
}

// What the one before had, and the shard has if it is not new as well.
bool residual_keeper::lacks(std::uint64_t step) const {
  const auto found = kept_.find(step);
  return !world_.begins() && (found == kept_.end() || found->second.size() < residuals_of_step_);
}

void residual_keeper::ask_shard(std::uint64_t step) {
  asked_of_shard_ = step;
  world_.send(shard_, protocol::want_residuals{world_.self(), step});
}

// What a step left out belongs to the next one: of the version that is saved is what the step with
// its number adds. It may come later than the question.
void residual_keeper::on(const protocol::want_state& m) {
  asked_ = m;
  if (const auto found = kept_.find(m.version); found != kept_.end())
    for (const auto& [key, value] : found->second)
      tell_saving({found->first, key.first, key.second, value});
  if (lacks(m.version)) ask_shard(m.version);
}

void residual_keeper::on(const protocol::restarted& m) {
  if (m.who == shard_ && asked_ && lacks(asked_->version)) ask_shard(asked_->version);
}

void residual_keeper::tell_shard(const protocol::residual& m) {
  if (wanted_ && wanted_->step == m.step) world_.send(wanted_->reply_to, m);
}

void residual_keeper::tell_saving(const protocol::residual& m) {
  if (asked_ && asked_->version == m.step)
    world_.send(asked_->reply_to, protocol::kept_residual{asked_->request, m});
}

} // namespace troupe
