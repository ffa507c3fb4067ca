// The kind of device "host": doubles of GPUs, "host:0" and so on, which fail when they are told to.
#pragma once

#include "gpu/host_device.hpp"
#include "gpu/open_device.hpp"
#include "ops/error.hpp"

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <thread>

namespace troupe::test {

class doubled_devices {
public:
  // Of the n-th device that is opened, from 0: tells it when to fail.
  using orders = std::function<void(int opened, host_device&)>;

  explicit doubled_devices(orders tell = {}) {
    gpu::add_device_kind("host", [seen = seen_, tell](int index) {
      const std::lock_guard lock(seen->mutex);
      seen->openers[index].insert(std::this_thread::get_id());
      auto out = std::make_shared<host_device>();
      if (tell) tell(seen->opened, *out);
      ++seen->opened;
      return out;
    });
  }

  doubled_devices(const doubled_devices&) = delete;
  doubled_devices& operator=(const doubled_devices&) = delete;

  ~doubled_devices() {
    gpu::add_device_kind("host", [](int) -> std::shared_ptr<gpu::device> {
      throw error({.what = "the test with this device is over", .where = "device"});
    });
  }

  [[nodiscard]] int opened() const {
    const std::lock_guard lock(seen_->mutex);
    return seen_->opened;
  }

  // The threads that have opened a device of that number.
  [[nodiscard]] std::set<std::thread::id> openers(int index) const {
    const std::lock_guard lock(seen_->mutex);
    return seen_->openers[index];
  }

private:
  struct facts {
    std::mutex mutex;
    int opened = 0;
    std::map<int, std::set<std::thread::id>> openers;
  };

  std::shared_ptr<facts> seen_ = std::make_shared<facts>();
};

} // namespace troupe::test
