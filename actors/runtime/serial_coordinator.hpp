// A CAF scheduler for ThreadSanitizer builds only. CAF's binary library is not instrumented, so
// TSan cannot see that its mailboxes order what actors do and reports dozens of false races in the
// smallest program. Here every step of an actor and every message from another thread is under one
// mutex that TSan can see. Races between actors and the executor's threads are still found; races
// between two actors are not.
#pragma once

#if defined(__SANITIZE_THREAD__)

#include <caf/detail/simple_actor_clock.hpp>
#include <caf/scheduler/abstract_coordinator.hpp>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

namespace troupe {

class serial_coordinator final : public caf::scheduler::abstract_coordinator {
public:
  explicit serial_coordinator(caf::actor_system& system);
  static caf::actor_system::module* make(caf::actor_system& system, caf::detail::type_list<>);

  // Hold it while sending to an actor from a thread that is not the scheduler's.
  static std::recursive_mutex& mutex();

  caf::actor_clock& clock() noexcept override { return clock_; }

protected:
  void start() override;
  void stop() override;
  void enqueue(caf::resumable* job) override;

private:
  void work();
  void tick();

  std::condition_variable_any changed_;
  std::deque<caf::resumable*> jobs_;
  std::vector<std::thread> threads_;
  std::atomic<bool> ending_{false};
  caf::detail::simple_actor_clock clock_;
};

} // namespace troupe

namespace troupe {
struct ordered_send { // exists while a thread talks to actors
  const std::lock_guard<std::recursive_mutex> lock{serial_coordinator::mutex()};
};
} // namespace troupe

#else

namespace troupe {
struct ordered_send {
  ordered_send() {} // not trivial: no warning about an unused variable
};
} // namespace troupe

#endif
