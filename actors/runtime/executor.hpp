// Private threads for computations, so that no handler of an actor runs a kernel. Two lanes:
// kernels (minutes of work in pieces of milliseconds) and brief jobs (microseconds), which an idle
// kernel thread helps with and which never wait behind a kernel.
#pragma once

#include "actors/runtime/context.hpp"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace troupe {

class executor {
public:
  using job = std::function<void()>;

  executor(int kernel_threads, int brief_threads);
  ~executor(); // drops what has not begun, waits for what has

  executor(const executor&) = delete;
  executor& operator=(const executor&) = delete;

  void submit(lane where, job work);
  void stop(); // as the destructor; submit is ignored afterwards

private:
  void run(bool kernels);
  bool take(bool kernels, job& out);

  std::mutex mutex_;
  std::condition_variable kernels_wanted_, brief_wanted_;
  std::deque<job> kernels_, brief_;
  std::atomic<int> waiting_{0}; // jobs in both queues: lets a thread spin without the mutex
  int idle_kernel_threads_ = 0;
  std::atomic<bool> stopping_{false};
  std::vector<std::thread> threads_;
};

} // namespace troupe
