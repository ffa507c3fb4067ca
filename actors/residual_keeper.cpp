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
  tell_late(m);
  std::erase_if(kept_, [&, newest = kept_.rbegin()->first](const auto& step) {
    return step.first + steps_kept_ <= newest;
  });
}

void residual_keeper::on(const protocol::want_residuals& m) {
  for (const auto& [step, residuals] : kept_)
    for (const auto& [key, value] : residuals)
      world_.send(m.reply_to, protocol::residual{step, key.first, key.second, value});
}

// To who wanted the state before this came: its step may be the one that is saved. What comes of a
// step after that is not.
void residual_keeper::tell_late(const protocol::residual& m) {
  if (!asked_) return;
  if (m.step > asked_newest_ && late_step_ == 0) late_step_ = m.step;
  if (m.step > asked_newest_ && m.step > late_step_)
    asked_.reset();
  else
    world_.send(asked_->reply_to, protocol::kept_residual{asked_->request, m});
}

// Training is paused: the newest step's are for the next one.
void residual_keeper::on(const protocol::want_state& m) {
  asked_ = m;
  asked_newest_ = kept_.empty() ? 0 : kept_.rbegin()->first;
  late_step_ = 0;
  for (const auto& [step, residuals] : kept_)
    for (const auto& [key, value] : residuals)
      world_.send(m.reply_to,
                  protocol::kept_residual{m.request, {step, key.first, key.second, value}});
}

} // namespace troupe
