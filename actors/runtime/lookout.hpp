// A thread that looks at something once in a while, until it ends. Not one of those that it looks
// at.
#pragma once

#include <pthread.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

namespace troupe {

class lookout {
public:
  lookout() = default;
  lookout(const lookout&) = delete;
  lookout& operator=(const lookout&) = delete;

  ~lookout() { end(); }

  // Once.
  void begin(std::chrono::nanoseconds every, std::function<void()> look) {
    thread_ = std::thread([this, every, look = std::move(look)] {
      pthread_setname_np(pthread_self(), "lookout"); // what it costs is measured by its name
      std::unique_lock lock(mutex_);
      while (!ended_.wait_for(lock, every, [this] { return ending_; }))
        look();
    });
  }

  void end() {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
    }
    ended_.notify_all();
    if (thread_.joinable()) thread_.join();
  }

private:
  std::mutex mutex_;
  std::condition_variable ended_;
  bool ending_ = false;
  std::thread thread_;
};

} // namespace troupe
