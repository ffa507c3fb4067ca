// Whose turn it is in a world that one thread plays at a time, and how another asks it something.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

namespace troupe::simulation {

class turns {
public:
  // While it is there, its thread has the turn. It may have it twice.
  class holder {
  public:
    explicit holder(turns& all) : all_(all), outer_(all.is_mine()) {
      if (outer_) return;
      all_.turn_.lock();
      all_.who_ = std::this_thread::get_id();
    }

    holder(const holder&) = delete;
    holder& operator=(const holder&) = delete;

    ~holder() {
      if (outer_) return;
      all_.who_ = std::thread::id();
      all_.turn_.unlock();
    }

  private:
    turns& all_;
    const bool outer_;
  };

  // Does it in a turn: at once where it is this thread's or nobody's, else by whoever has it, who
  // gets it by `hand_over`.
  template <class HandOver>
  void do_within(const std::function<void()>& what, const HandOver& hand_over) {
    if (is_mine()) return what();
    const auto asked = std::make_shared<request>();
    const auto once = [asked, &what] {
      const std::lock_guard lock(asked->mutex);
      if (!asked->done) what();
      asked->done = true;
      asked->changed.notify_all();
    };
    hand_over([once] { once(); });
    std::unique_lock lock(asked->mutex);
    while (!asked->changed.wait_for(lock, pause, [&] { return asked->done; })) {
      lock.unlock();
      if (turn_.try_lock()) { // nobody plays
        const std::lock_guard mine(turn_, std::adopt_lock);
        once();
      }
      lock.lock();
    }
  }

private:
  struct request {
    std::mutex mutex;
    std::condition_variable changed;
    bool done = false;
  };

  static constexpr std::chrono::milliseconds pause{1};

  [[nodiscard]] bool is_mine() const { return who_ == std::this_thread::get_id(); }

  std::mutex turn_;
  std::atomic<std::thread::id> who_{};
};

} // namespace troupe::simulation
