#include "actors/recorder.hpp"

#include <algorithm>
#include <utility>

namespace troupe {

recorder::recorder(context& world, recorder_options options)
    : world_(world), options_(std::move(options)), log_(*options_.log) {}

void recorder::started() {
  if (!std::exchange(log_.began, true)) log_.resumed = world_.now();
}

double recorder::seconds() const {
  const auto running = log_.resumed ? world_.now() - *log_.resumed : std::chrono::nanoseconds{0};
  return std::chrono::duration<double>(log_.trained + running).count();
}

void recorder::stop_clock() {
  if (log_.resumed) log_.trained += world_.now() - *log_.resumed;
  log_.resumed.reset();
}

// From now on the one before is not heard: what it told last may differ from what this one tells.
void recorder::on(const protocol::want_cursor& m) {
  if (m.life < log_.last.director) return;
  if (m.life > log_.last.director) log_.last = {m.life, 0};
  const bool here = log_.pause && log_.pause->first == log_.step;
  protocol::cursor out{.life = m.life,
                       .step = log_.step,
                       .digest = log_.digest,
                       .went_on = here && log_.pause->second,
                       .paused = here && !log_.pause->second,
                       .ended = log_.ended,
                       .dealt = {},
                       .saved = log_.saved};
  for (const auto& [step, shares] : log_.dealt)
    out.dealt.push_back({step, shares});
  world_.send(options_.director, out);
}

// One that was heard before was told again because its acknowledgement was lost. What is
// acknowledged is in the log: who dies between the two has a successor that knows it.
template <class Do>
void recorder::once(const protocol::event_number& number, const Do& record) {
  auto& last = log_.last;
  if (number.director != last.director || number.count > last.count + 1) return;
  if (number.count == last.count + 1) {
    last = number;
    record();
  }
  world_.send(options_.director, protocol::recorded{last});
}

void recorder::on(const protocol::step_committed& m) {
  once(m.number, [&] {
    log_.step = m.step + 1;
    log_.digest = m.digest;
    log_.dealt.erase(log_.dealt.begin(), log_.dealt.lower_bound(log_.step));
    if (m.step < log_.next_step) return;
    log_.next_step = m.step + 1;
    options_.on_step(m, seconds());
  });
}

// A director may evaluate again what the one before had evaluated.
void recorder::on(const protocol::epoch_ended& m) {
  once(m.number, [&] {
    if (m.epoch <= log_.epoch) return;
    log_.epoch = m.epoch;
    options_.on_epoch(m, seconds());
  });
}

void recorder::on(const protocol::training_paused& m) {
  once(m.number, [&] {
    log_.pause = {m.step, !m.paused};
    if (m.paused)
      stop_clock();
    else if (!log_.resumed)
      log_.resumed = world_.now();
  });
}

void recorder::on(const protocol::shares_dealt& m) {
  once(m.number, [&] { log_.dealt[m.step] = m.shares; });
}

void recorder::on(const protocol::restarted& m) {
  auto& life = log_.lives[m.who];
  if (m.life <= life) return;
  life = m.life;
  options_.on_restart(m);
}

void recorder::on(const protocol::credit_used& m) {
  options_.on_credit(m);
}

void recorder::on(const protocol::checkpoint_saved& m) {
  once(m.number, [&] {
    log_.saved = std::max(log_.saved, m.step);
    const bool good = m.problem.empty();
    if (good && m.step == log_.good) return; // a new director had it written again
    if (good) log_.good = m.step;
    options_.on_saved(m);
  });
}

void recorder::on(const protocol::memory_used& m) {
  options_.on_memory(m);
}

void recorder::on(const protocol::job_ended& m) {
  once(m.number, [&] {
    if (std::exchange(log_.ended, true)) return;
    stop_clock();
    options_.on_end(m, seconds());
  });
}

} // namespace troupe
