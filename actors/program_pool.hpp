// The compiled programs of a process, lent to computations. A computation of a killed actor may
// still be inside a kernel when its successor begins; each holds a program of its own, so neither
// waits nor shares. Thread-safe.
#pragma once

#include "ops/program.hpp"

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

namespace troupe {

class program_pool : public std::enable_shared_from_this<program_pool> {
public:
  using factory = std::function<std::unique_ptr<program>()>;

  explicit program_pool(factory make) : make_(std::move(make)) {}

  // Returns to the pool when the last owner drops it. Compiles one if none is free.
  std::shared_ptr<program> take();

private:
  factory make_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<program>> free_;
};

} // namespace troupe
