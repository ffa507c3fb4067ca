// How a live world is asked who waits for what: each actor is asked between two of its messages,
// ahead of all that are in its mailbox. Who does not answer in time is in a handler, or has no
// thread; of these it is known what they have begun (activity.hpp).
#include "actors/runtime/live_world_impl.hpp"

namespace troupe {

namespace live {

answers::answers(std::size_t asked) : all_(asked), missing_(asked) {}

void answers::note(std::size_t who, answer a) {
  const std::lock_guard lock(mutex_);
  if (all_[who]) return;
  all_[who] = std::move(a);
  if (--missing_ == 0) complete_.notify_all();
}

void answers::leave_out() {
  const std::lock_guard lock(mutex_);
  if (--missing_ == 0) complete_.notify_all();
}

std::vector<std::optional<answer>> answers::wait(std::chrono::nanoseconds within) {
  std::unique_lock lock(mutex_);
  complete_.wait_for(lock, within, [&] { return missing_ == 0; });
  return all_; // a late one finds its place, and nobody reads it
}

} // namespace live

using live::answer;
using live::answers;
using live::question;

namespace {

// Longer than a handler may take, and short enough for who asks.
constexpr std::chrono::milliseconds answered_within{300};

actor_state state_of(const seat& s, bool plays, const std::optional<answer>& said) {
  if (!plays) return s.life == 0 ? actor_state::starting : actor_state::down;
  if (said) return s.doing->is_computing() ? actor_state::computing : actor_state::alive;
  return s.doing->is_handling() ? actor_state::handling : actor_state::unasked;
}

} // namespace

// Once in a while: whether an actor has got further since. So nobody reads a clock for it.
void live_world::impl::note_progress(seat& s) const {
  const std::lock_guard lock(s.mutex);
  const auto progress = s.doing->read().progress;
  if (s.moved && s.moved->life == s.life && s.moved->progress == progress) return;
  s.moved = seat::movement{s.life, progress, now()};
}

waiting_actor live_world::impl::actor_at(const seat& s, const std::optional<answer>& said) const {
  const std::lock_guard lock(s.mutex);
  const auto state = state_of(s, static_cast<bool>(s.player), said);
  waiting_actor out{.who = s.who, .life = s.life, .node = 0, .state = state};
  if (s.moved && s.moved->life == s.life)
    out.quiet = s.moved->progress == s.doing->read().progress ? now() - s.moved->when
                                                              : std::chrono::nanoseconds(0);
  if (said) {
    out.waits = said->waits;
    out.unheard = said->unheard;
  }
  return out;
}

wait_graph live_world::waits() {
  std::vector<const seat*> asked;
  for (const auto& [who, s] : impl_->seats)
    if (s->here) asked.push_back(s.get());
  auto board = std::make_shared<answers>(asked.size());
  {
    const sending order;
    for (std::size_t i = 0; i < asked.size(); ++i)
      if (const auto player = asked[i]->current().first)
        caf::anon_send<caf::message_priority::high>(player, question{board, i});
      else
        board->leave_out();
  }
  const auto said = board->wait(answered_within);
  wait_graph out{.over = impl_->stopping};
  for (std::size_t i = 0; i < asked.size(); ++i)
    out.actors.push_back(impl_->actor_at(*asked[i], said[i]));
  return out;
}

} // namespace troupe
