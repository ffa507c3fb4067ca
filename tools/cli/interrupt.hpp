// Ctrl-C: the first asks the run to finish its step, save and end, the second ends at once. The
// signals are blocked in every thread and taken by one that waits for them, so that nothing is done
// in a handler.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <thread>

namespace troupe::cli {

class interrupt_watch {
public:
  interrupt_watch(); // before any other thread is started: they inherit the blocked signals
  ~interrupt_watch();
  interrupt_watch(const interrupt_watch&) = delete;
  interrupt_watch& operator=(const interrupt_watch&) = delete;

  // Called once, from the watching thread. Without a listener an interrupt ends the program.
  void on_first(std::function<void()> listener);

  bool interrupted() const { return count_ > 0; }

private:
  void wait();

  std::mutex mutex_;
  std::function<void()> listener_;
  std::atomic<int> count_ = 0;
  std::atomic<bool> ending_ = false;
  std::thread thread_;
};

} // namespace troupe::cli
