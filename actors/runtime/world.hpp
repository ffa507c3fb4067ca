// Where roles are played: live, as CAF actors of this process (live_world.hpp), or simulated, in
// virtual time (simulated_world.hpp).
//
// Life of a world: add() every role, start() them, talk, stop(). One owner calls start(), play()
// and stop(); send(), kill(), inject() and after() may be called by any thread.
#pragma once

#include "actors/address.hpp"
#include "actors/fault.hpp"
#include "actors/fault_point.hpp"
#include "actors/message.hpp"
#include "actors/runtime/role.hpp"
#include "actors/runtime/world_observer.hpp"
#include "actors/wait_graph.hpp"

#include <chrono>
#include <functional>
#include <string>

namespace troupe {

class world {
public:
  virtual ~world() = default;

  virtual void add(const address& who, role_factory make) = 0;
  virtual void kill_at(const fault_point& where) = 0; // once
  // Before start(). Kernels of the actor at `who` take `factor`, 1 or more, times as long: what
  // they report is heard later. No thread is busy meanwhile.
  virtual void slow(const address& who, double factor) = 0;
  virtual void observe(world_observer& by) = 0; // before start(); outlives the world
  virtual void start() = 0;
  // Until `ended`, where time passes only while somebody waits; a live world plays by itself.
  // Throws error where nobody can go on.
  virtual void play(const std::function<bool()>& ended) = 0;
  // All actors end, and begin the job again. What the ones before said is not heard any more.
  // `set` is called in between, while nobody plays here; other nodes get `where`, to begin there.
  virtual void begin_again(const std::string& where, const std::function<void()>& set) = 0;
  virtual void send(const address& to, message m) = 0;
  virtual void kill(const address& who) = 0;  // at the next message boundary
  virtual void inject(const fault& what) = 0; // at once, where it happens. REQUIRES: no refusal
  // Why that cannot happen in this world; empty: it can. Before start() as well.
  [[nodiscard]] virtual std::string refusal(const fault& what) const = 0;
  [[nodiscard]] virtual std::chrono::nanoseconds now() const = 0; // since the world began
  // Any thread; what is due after the end does not happen. `what` is brief.
  virtual void after(std::chrono::nanoseconds delay, std::function<void()> what) = 0;
  virtual void stop() = 0; // no handler and no computation runs after it
  // Who waits for what now, as the actors say it themselves. From any thread, also from callbacks;
  // answered within a second, whoever is stuck.
  virtual wait_graph waits() = 0;
};

} // namespace troupe
