#include "actors/runtime/serial_coordinator.hpp"

#if defined(__SANITIZE_THREAD__)

#include <caf/actor_system.hpp>
#include <caf/execution_unit.hpp>
#include <caf/make_actor.hpp>
#include <caf/monitorable_actor.hpp>
#include <caf/resumable.hpp>

#include <chrono>

namespace troupe {

namespace {

struct unit final : caf::execution_unit {
  unit(caf::actor_system* system, serial_coordinator* home)
      : caf::execution_unit(system), home_(home) {}

  void exec_later(caf::resumable* job) override;

private:
  serial_coordinator* home_;
};

// CAF asks for an actor that prints; nothing here prints through it.
struct silent_printer final : caf::monitorable_actor {
  explicit silent_printer(caf::actor_config& config) : caf::monitorable_actor(config) {}

  void enqueue(caf::mailbox_element_ptr, caf::execution_unit*) override {}
};

} // namespace

void unit::exec_later(caf::resumable* job) {
  static_cast<caf::scheduler::abstract_coordinator*>(home_)->enqueue(job);
}

serial_coordinator::serial_coordinator(caf::actor_system& system)
    : caf::scheduler::abstract_coordinator(system) {}

caf::actor_system::module* serial_coordinator::make(caf::actor_system& system,
                                                    caf::detail::type_list<>) {
  return new serial_coordinator(system); // owned by the actor system
}

std::recursive_mutex& serial_coordinator::mutex() {
  static std::recursive_mutex instance;
  return instance;
}

void serial_coordinator::start() {
  unit boot(&system(), this);
  caf::actor_config config{&boot};
  utility_actors_[printer_id] = caf::make_actor<silent_printer, caf::actor>(
      system().next_actor_id(), system().node(), &system(), config);
  for (int i = 0; i < 2; ++i)
    threads_.emplace_back([this] { work(); });
  threads_.emplace_back([this] { tick(); });
}

void serial_coordinator::work() {
  unit here(&system(), this);
  std::unique_lock lock(mutex());
  for (;;) {
    changed_.wait(lock, [&] { return ending_ || !jobs_.empty(); });
    if (jobs_.empty()) return;
    auto* job = jobs_.front();
    jobs_.pop_front();
    switch (job->resume(&here, 1)) {
    case caf::resumable::resume_later:
      jobs_.push_back(job);
      break;
    case caf::resumable::shutdown_execution_unit:
      break;
    default:
      caf::intrusive_ptr_release(job);
    }
    lock.unlock();
    std::this_thread::yield();
    lock.lock();
  }
}

void serial_coordinator::tick() {
  while (!ending_) {
    {
      const std::lock_guard lock(mutex());
      clock_.trigger_expired_timeouts();
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

void serial_coordinator::stop() {
  {
    const std::lock_guard lock(mutex());
    ending_ = true;
    clock_.cancel_all();
  }
  changed_.notify_all();
  for (auto& thread : threads_)
    thread.join();
}

void serial_coordinator::enqueue(caf::resumable* job) {
  {
    const std::lock_guard lock(mutex());
    jobs_.push_back(job);
  }
  changed_.notify_one();
}

} // namespace troupe

#endif
