#include "actors/recorder.hpp"

#include <utility>

namespace troupe {

recorder::recorder(context& world, recorder_options options)
    : world_(world), options_(std::move(options)) {}

void recorder::started() {
  resumed_ = world_.now();
}

double recorder::seconds() const {
  const auto running = paused_ ? std::chrono::nanoseconds{0} : world_.now() - resumed_;
  return std::chrono::duration<double>(trained_ + running).count();
}

void recorder::on(const protocol::step_committed& m) {
  if (m.step < next_step_) return;
  next_step_ = m.step + 1;
  options_.on_step(m, seconds());
}

void recorder::on(const protocol::epoch_ended& m) {
  if (m.epoch <= epoch_) return;
  epoch_ = m.epoch;
  options_.on_epoch(m, seconds());
}

void recorder::on(const protocol::training_paused& m) {
  const std::pair now{m.step, !m.paused};
  if (m.paused == paused_ || (pause_ && now <= *pause_)) return;
  pause_ = now;
  if (m.paused)
    trained_ += world_.now() - resumed_;
  else
    resumed_ = world_.now();
  paused_ = m.paused;
}

void recorder::on(const protocol::restarted& m) {
  auto& life = lives_[m.who];
  if (m.life <= life) return;
  life = m.life;
  options_.on_restart(m);
}

void recorder::on(const protocol::credit_used& m) {
  options_.on_credit(m);
}

void recorder::on(const protocol::checkpoint_saved& m) {
  options_.on_saved(m);
}

void recorder::on(const protocol::memory_used& m) {
  options_.on_memory(m);
}

void recorder::on(const protocol::job_ended& m) {
  options_.on_end(m, seconds());
}

} // namespace troupe
