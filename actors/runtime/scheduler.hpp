// The threads of a live world, and who runs next on them. One scheduler serves both the steps of
// actors (it is CAF's coordinator) and computations, because a step of training ends in a short
// chain of both: gradient, sum, optimizer, parameters, next forward. Waking a sleeping thread for
// each link costs 50 us on a virtual machine; here the kernel thread that has nothing else to do
// runs the whole chain.
//
// Kernel threads run kernels, and anything else first. Service threads run actors and brief jobs,
// so every actor answers while all kernel threads are busy; updates only if there are more cores
// than kernel threads, for else they would slow one replica while the others wait for it. Order:
// actors, brief jobs, updates, kernels. Queues are first in, first out (CAF's default scheduler is
// last in, first out, and can starve an actor for ever), but for kernels: see context::compute.
// Files have a thread of their own, so that a disk that hangs holds up nothing else.
#pragma once

#include "actors/runtime/context.hpp"

#include <caf/detail/simple_actor_clock.hpp>
#include <caf/scheduler/abstract_coordinator.hpp>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

namespace troupe {

class scheduler final : public caf::scheduler::abstract_coordinator {
public:
  using job = std::function<void()>;

  // Entries of the actor system's configuration.
  static constexpr const char* kernel_threads_key = "troupe.kernel-threads";
  static constexpr const char* service_threads_key = "troupe.service-threads";

  explicit scheduler(caf::actor_system& system);
  static caf::actor_system::module* make(caf::actor_system& system, caf::detail::type_list<>);

  void submit(lane where, std::uint64_t step, job work);       // of kernels
  void submit_after(std::chrono::nanoseconds delay, job work); // brief
  // Drops the computations that have not begun, takes no more, and waits for those that have begun.
  // Not from a thread of the scheduler.
  void end_computations();

  // One more, for one that does not come back from what it does.
  void add_kernel_thread() { add_thread(kind::kernel); }

  void add_service_thread() { add_thread(kind::service); }

  // Held while a thread that is not the scheduler's talks to actors; see run_actor() for why.
  static std::recursive_mutex& order();

  caf::actor_clock& clock() noexcept override { return clock_; }

  [[nodiscard]] bool detaches_utility_actors() const override { return false; }

protected:
  void start() override;
  void stop() override;
  void enqueue(caf::resumable* actor) override;

private:
  using time = std::chrono::steady_clock::time_point;
  enum class kind { kernel, service, file };

  struct task {
    caf::resumable* actor = nullptr;
    job work;
  };
  struct unit;

  void add_thread(kind k);
  void run(kind k);
  void run_actor(caf::resumable* actor, unit& here);
  bool take(kind k, task& out);
  bool take_file(task& out);
  void take_due_timers();
  void wait_for_work(kind k, std::unique_lock<std::mutex>& lock);
  void spin() const;
  void wake_for(kind k);

  std::mutex mutex_;
  std::condition_variable kernel_wanted_, service_wanted_, file_wanted_, computations_ended_;
  std::deque<caf::resumable*> actors_;
  std::deque<job> brief_, updates_;
  std::deque<job> files_;
  bool has_file_thread_ = false;                                   // from the first file on
  std::map<std::pair<std::uint64_t, std::uint64_t>, job> kernels_; // by step, the newest first
  std::uint64_t kernels_submitted_ = 0;
  std::multimap<time, job> timers_;
  std::atomic<std::size_t> queued_{0}; // in all queues: what a spinning thread watches
  std::size_t spinning_ = 0;           // kernel threads that look for work without sleeping
  bool spare_core_ = false;            // service threads may take updates
  int sleeping_services_ = 0;
  int computing_ = 0; // computations that have begun
  bool accepts_computations_ = true;
  std::atomic<bool> ending_{false};
  std::vector<std::thread> threads_;
  caf::detail::simple_actor_clock clock_; // CAF wants one; timers are ours
};

} // namespace troupe
