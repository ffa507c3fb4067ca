// The seam between an actor and the world. A role reaches time, computation and other actors
// through its context and nothing else, so the very same role runs live and under a simulator.
//
// A context belongs to one incarnation of one role and is used from its handlers only. Handlers run
// one at a time and must return within about a millisecond: anything longer is `compute`d.
#pragma once

#include "actors/address.hpp"
#include "actors/message.hpp"
#include "actors/runtime/disk.hpp"
#include "actors/runtime/work.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

namespace troupe {

// Where work is computed. Kernels take the long lane, one thread per replica. Updates (sums,
// optimizer) pass all kernels that have not begun, but take no core from those that run: whoever
// has nothing else to do takes them. Brief jobs (data) wait for nobody. Files are written one after
// the other on a thread of their own, and may take any time: nobody waits for a disk.
enum class lane { kernels, updates, brief, files };

// What a computation may do: report to its actor, and see whether anybody still wants the result.
class computation {
public:
  virtual ~computation() = default;
  virtual void post(message m) = 0; // to the actor that asked; dropped if that incarnation is gone

  virtual void begin(const work&) {} // what is posted until the next one comes of it

  virtual disk& files() = 0;

  [[nodiscard]] virtual const std::atomic<bool>& cancelled() const = 0;
};

class context {
public:
  virtual ~context() = default;

  [[nodiscard]] virtual address self() const = 0;
  [[nodiscard]] virtual incarnation life() const = 0;

  // Whether the job begins with this incarnation, or begins again; else it succeeds another.
  [[nodiscard]] virtual bool begins() const { return life() == 1; }

  // Delivered at most once and in order between two incarnations; lost if the receiver is down,
  // which is followed by `restarted` to everybody.
  virtual void send(const address& to, message m) = 0;
  virtual void send_after(std::chrono::nanoseconds delay, message m) = 0; // to itself

  [[nodiscard]] virtual std::chrono::nanoseconds
  now() const = 0; // monotonic, since the world began

  // Runs `work` outside of the actor. An exception in it ends the actor. `work` must not touch the
  // role: it may outlive it. Where kernels wait for a thread, those of the lowest step are next,
  // and of one step those that were asked for last: a microbatch that has begun goes on while the
  // cache has its values, and few are in flight.
  virtual void compute(lane where, std::uint64_t step, std::function<void(computation&)> work) = 0;

  void compute(lane where, std::function<void(computation&)> work) {
    compute(where, 0, std::move(work));
  }

  // Nobody needs what this actor's computations have not said yet: they are cancelled, and it is
  // not heard. A world that cannot stop them lets them end; so what they say must do no harm.
  virtual void abandon_computations() {}

  // For the supervisor: starts the next incarnation at `who`; ends the one that is there, at its
  // next message, which is a death like any other.
  virtual incarnation start(const address& who) = 0;
  virtual void end(const address& who) = 0;
  virtual void send_to_all(const message& m) = 0; // but itself
};

} // namespace troupe
