#include "actors/runtime/scheduler.hpp"

#include "actors/runtime/talk_mutex.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/execution_unit.hpp>
#include <caf/make_actor.hpp>
#include <caf/monitorable_actor.hpp>
#include <caf/resumable.hpp>

#include <utility>

namespace troupe {

namespace {

constexpr std::chrono::microseconds spin_time{200};
constexpr std::size_t messages_at_a_time = 64; // then the next actor has its turn

// CAF asks for an actor that prints; nothing here prints through it.
struct silent_printer final : caf::monitorable_actor {
  explicit silent_printer(caf::actor_config& config) : caf::monitorable_actor(config) {}

  void enqueue(caf::mailbox_element_ptr, caf::execution_unit*) override {}
};

} // namespace

struct scheduler::unit final : caf::execution_unit {
  unit(caf::actor_system* system, scheduler* home) : caf::execution_unit(system), home_(home) {}

  void exec_later(caf::resumable* actor) override { home_->enqueue(actor); }

private:
  scheduler* home_;
};

scheduler::scheduler(caf::actor_system& system) : caf::scheduler::abstract_coordinator(system) {}

caf::actor_system::module* scheduler::make(caf::actor_system& system, caf::detail::type_list<>) {
  return new scheduler(system); // owned by the actor system
}

void scheduler::start() {
  unit boot(&system(), this);
  caf::actor_config config{&boot};
  utility_actors_[printer_id] = caf::make_actor<silent_printer, caf::actor>(
      system().next_actor_id(), system().node(), &system(), config);
  const auto threads = [&](const char* key) { return caf::get_or(system().config(), key, 1); };
  spare_core_ = threads(kernel_threads_key) < static_cast<int>(std::thread::hardware_concurrency());
  for (int i = 0; i < threads(kernel_threads_key); ++i)
    add_thread(kind::kernel);
  for (int i = 0; i < threads(service_threads_key); ++i)
    add_thread(kind::service);
}

void scheduler::add_thread(kind k) {
  const std::lock_guard lock(mutex_);
  threads_.emplace_back([this, k] { run(k); });
}

void scheduler::run(kind k) {
  unit here(&system(), this);
  bool computed = false;
  for (;;) {
    task next;
    {
      std::unique_lock lock(mutex_);
      if (computed && --computing_ == 0 && !accepts_computations_) computations_ended_.notify_all();
      if (k == kind::kernel && queued_ == 0 && !ending_) {
        ++spinning_;
        lock.unlock();
        spin();
        lock.lock();
        --spinning_;
      }
      while (!take(k, next)) {
        if (ending_) return;
        wait_for_work(k, lock);
      }
    }
    computed = next.actor == nullptr;
    if (computed)
      next.work();
    else
      run_actor(next.actor, here);
  }
}

void scheduler::wait_for_work(kind k, std::unique_lock<std::mutex>& lock) {
  if (k == kind::file) return file_wanted_.wait(lock);
  if (k == kind::kernel) return kernel_wanted_.wait(lock);
  ++sleeping_services_;
  if (timers_.empty()) {
    service_wanted_.wait(lock);
  } else {
    const time due = timers_.begin()->first; // the timer may be gone when the wait ends
    service_wanted_.wait_until(lock, due);
  }
  --sleeping_services_;
}

void scheduler::spin() const {
  const auto until = std::chrono::steady_clock::now() + spin_time;
  while (queued_ == 0 && !ending_ && std::chrono::steady_clock::now() < until) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }
}

bool scheduler::take_file(task& out) {
  if (files_.empty()) return false;
  out.work = std::move(files_.front());
  out.actor = nullptr;
  files_.pop_front();
  ++computing_;
  return true;
}

bool scheduler::take(kind k, task& out) {
  if (k == kind::file) return take_file(out);
  if (k == kind::service) take_due_timers();
  if (!actors_.empty()) {
    out.actor = actors_.front();
    actors_.pop_front();
  } else if (!brief_.empty()) {
    out.work = std::move(brief_.front());
    brief_.pop_front();
  } else if ((k == kind::kernel || spare_core_) && !updates_.empty()) {
    out.work = std::move(updates_.front());
    updates_.pop_front();
  } else if (k == kind::kernel && !kernels_.empty()) {
    out.work = std::move(kernels_.extract(kernels_.begin()).mapped());
  } else {
    return false;
  }
  --queued_;
  if (out.actor == nullptr) ++computing_;
  return true;
}

void scheduler::take_due_timers() {
  const auto now = std::chrono::steady_clock::now();
  while (!timers_.empty() && timers_.begin()->first <= now) {
    brief_.push_back(std::move(timers_.begin()->second));
    timers_.erase(timers_.begin());
    ++queued_;
  }
}

// Under the mutex. A spinning thread sees what is queued by itself, so nobody is woken for it. It
// may take a kernel, though: then it must not be counted on for what is queued besides.
void scheduler::wake_for(kind k) {
  ++queued_;
  if (k == kind::kernel) {
    if (kernels_.size() + updates_.size() > spinning_) kernel_wanted_.notify_one();
  } else if (queued_ > spinning_) {
    (sleeping_services_ > 0 ? service_wanted_ : kernel_wanted_).notify_one();
  }
}

void scheduler::enqueue(caf::resumable* actor) {
  const std::lock_guard lock(mutex_);
  actors_.push_back(actor);
  wake_for(kind::service);
}

void scheduler::submit(lane where, std::uint64_t step, job work) {
  const std::lock_guard lock(mutex_);
  if (!accepts_computations_) return;
  if (where == lane::files) {
    files_.push_back(std::move(work));
    if (!std::exchange(has_file_thread_, true)) threads_.emplace_back([this] { run(kind::file); });
    return file_wanted_.notify_one();
  }
  if (where == lane::kernels)
    kernels_.emplace(std::pair{step, ~kernels_submitted_++}, std::move(work));
  else
    (where == lane::updates ? updates_ : brief_).push_back(std::move(work));
  const bool any = where == lane::brief || (where == lane::updates && spare_core_);
  wake_for(any ? kind::service : kind::kernel);
}

void scheduler::submit_after(std::chrono::nanoseconds delay, job work) {
  const std::lock_guard lock(mutex_);
  if (!accepts_computations_) return;
  timers_.emplace(std::chrono::steady_clock::now() + delay, std::move(work));
  service_wanted_.notify_one();
}

void scheduler::end_computations() {
  std::unique_lock lock(mutex_);
  accepts_computations_ = false;
  queued_ -= brief_.size() + updates_.size() + kernels_.size();
  brief_.clear();
  updates_.clear();
  kernels_.clear();
  files_.clear();
  timers_.clear();
  computations_ended_.wait(lock, [&] { return computing_ == 0; });
}

void scheduler::stop() {
  end_computations();
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  kernel_wanted_.notify_all();
  service_wanted_.notify_all();
  file_wanted_.notify_all();
  for (auto& thread : threads_)
    thread.join();
}

// ThreadSanitizer cannot see into CAF's binary library, where mailboxes order what actors do, and
// reports dozens of false races. In its builds every step of an actor and every message from
// another thread is under one mutex that it can see. Races of computations are still found, races
// between two actors not.
void scheduler::run_actor(caf::resumable* actor, unit& here) {
#if defined(__SANITIZE_THREAD__)
  const std::lock_guard ordered(order());
#endif
  switch (actor->resume(&here, messages_at_a_time)) {
  case caf::resumable::resume_later:
    enqueue(actor);
    break;
  case caf::resumable::shutdown_execution_unit:
    break;
  default:
    caf::intrusive_ptr_release(actor);
  }
}

#if defined(__SANITIZE_THREAD__)
std::recursive_mutex& order_of_talk() {
  return scheduler::order();
}
#endif

std::recursive_mutex& scheduler::order() {
  static std::recursive_mutex instance;
  return instance;
}

} // namespace troupe
