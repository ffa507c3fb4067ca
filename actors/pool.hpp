// What computations need and is dear to make (compiled programs), lent to them. A computation of a
// killed actor may still be inside a kernel when its successor begins; each holds one of its own,
// so neither waits nor shares. One that has failed (with its device, say) is not lent again.
// Thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace troupe {

template <class T>
class pool : public std::enable_shared_from_this<pool<T>> {
public:
  explicit pool(std::function<std::unique_ptr<T>()> make) : make_(std::move(make)) {}

  // Returns to the pool when the last owner drops it. Makes one if none is free.
  std::shared_ptr<T> take() {
    std::unique_ptr<T> taken;
    {
      // Held while compiling: concurrent creation of primitives is slower than one after the other.
      const std::lock_guard lock(mutex_);
      if (free_.empty()) {
        taken = make_();
      } else {
        taken = std::move(free_.back());
        free_.pop_back();
      }
    }
    return {taken.release(), giving_back{this->shared_from_this()}};
  }

  // Runs `use` with one that was taken; where it throws, that one has failed.
  template <class Use>
  static void with(const std::shared_ptr<T>& taken, const Use& use) {
    try {
      use(*taken);
    } catch (...) {
      std::get_deleter<giving_back>(taken)->failed = true;
      throw;
    }
  }

private:
  struct giving_back {
    std::shared_ptr<pool> home;
    bool failed = false;

    void operator()(T* t) const {
      std::unique_ptr<T> back(t);
      const std::lock_guard lock(home->mutex_);
      if (!failed) home->free_.push_back(std::move(back));
    }
  };

  std::function<std::unique_ptr<T>()> make_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<T>> free_;
};

} // namespace troupe
