#include "actors/runtime/executor.hpp"

#include <chrono>
#include <utility>

namespace troupe {

namespace {

// A step ends with a chain of brief jobs and messages; waking a sleeping thread for each costs
// about 50 us on a virtual machine. So an idle thread looks for work a little while before it
// sleeps.
constexpr std::chrono::microseconds spin_time{100};

void pause() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

} // namespace

executor::executor(int kernel_threads, int brief_threads) {
  for (int i = 0; i < kernel_threads; ++i)
    threads_.emplace_back([this] { run(true); });
  for (int i = 0; i < brief_threads; ++i)
    threads_.emplace_back([this] { run(false); });
}

executor::~executor() {
  stop();
}

void executor::stop() {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_.exchange(true)) return;
    kernels_.clear();
    brief_.clear();
  }
  kernels_wanted_.notify_all();
  brief_wanted_.notify_all();
  for (auto& thread : threads_)
    thread.join();
  threads_.clear();
}

void executor::submit(lane where, job work) {
  const bool kernels = where == lane::kernels;
  bool wake_kernels = kernels;
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    (kernels ? kernels_ : brief_).push_back(std::move(work));
    ++waiting_;
    // A kernel thread that has nothing to do is as good, and its caches are warmer.
    if (!kernels) wake_kernels = idle_kernel_threads_ > 0;
  }
  (wake_kernels ? kernels_wanted_ : brief_wanted_).notify_one();
}

bool executor::take(bool kernels, job& out) {
  auto* queue = !brief_.empty() ? &brief_ : kernels && !kernels_.empty() ? &kernels_ : nullptr;
  if (queue == nullptr) return false;
  out = std::move(queue->front());
  queue->pop_front();
  --waiting_;
  return true;
}

void executor::run(bool kernels) {
  job work;
  while (!stopping_) {
    if (kernels) {
      const auto until = std::chrono::steady_clock::now() + spin_time;
      while (waiting_ == 0 && !stopping_ && std::chrono::steady_clock::now() < until)
        pause();
    }
    {
      std::unique_lock lock(mutex_);
      auto& wanted = kernels ? kernels_wanted_ : brief_wanted_;
      if (kernels) ++idle_kernel_threads_;
      wanted.wait(lock, [&] { return stopping_ || take(kernels, work); });
      if (kernels) --idle_kernel_threads_;
    }
    if (work) work();
    work = nullptr;
  }
}

} // namespace troupe
