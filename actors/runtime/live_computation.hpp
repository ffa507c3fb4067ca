// What live actors have computed, outside of them.
#pragma once

#include "actors/runtime/activity.hpp"
#include "actors/runtime/context.hpp"
#include "actors/runtime/world_observer.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

namespace troupe {

// The world, as computations see it. Used by any thread.
class computation_site {
public:
  virtual ~computation_site() = default;
  virtual void say(const address& who, incarnation life, message m) = 0; // by itself, to itself
  virtual void later(std::chrono::nanoseconds delay, std::function<void()> what) = 0;
  [[nodiscard]] virtual std::chrono::nanoseconds now() const = 0;
  [[nodiscard]] virtual world_observer* watcher() const = 0; // null: nobody looks on
  virtual disk& files() = 0;
};

// Of the computations of one incarnation, until it abandons them or ends.
struct life_flag {
  std::atomic<bool> over{false};
  std::shared_ptr<activity> doing; // of the incarnation
};

struct asked_computation {
  computation_site& site;
  address who;
  incarnation life = 0;
  std::uint64_t step = 0;
  std::shared_ptr<const life_flag> flag;
  double factor = 1;     // it takes so many times as long
  bool of_files = false; // a disk may take any time: who waits for it is not stuck
};

// An exception of the job is said as job_failed.
void carry_out(const std::function<void(computation&)>& job, const asked_computation& asked);

} // namespace troupe
