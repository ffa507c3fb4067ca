// Ends the process with a text when a scope lasts too long: a run that hangs must say which it was.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

namespace troupe::test {

class deadline {
public:
  deadline(std::chrono::seconds patience, std::string text)
      : watch_([this, patience, text = std::move(text)] {
          std::unique_lock lock(mutex_);
          if (changed_.wait_for(lock, patience, [this] { return over_; })) return;
          std::fprintf(stderr, "no end after %d s\n%s\n", int(patience.count()), text.c_str());
          std::abort();
        }) {}

  deadline(const deadline&) = delete;
  deadline& operator=(const deadline&) = delete;

  ~deadline() {
    {
      const std::lock_guard lock(mutex_);
      over_ = true;
    }
    changed_.notify_all();
    watch_.join();
  }

private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool over_ = false;
  std::thread watch_; // last: it reads the others
};

} // namespace troupe::test
