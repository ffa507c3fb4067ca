// The live runtime: each role becomes a CAF actor of this process, computations run on an executor.
// Where a job has several processes, each has a world, and actors of others are `beyond` it.
#pragma once

#include "actors/runtime/world.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace troupe {

// Where actors are that do not live in this process. Called by any thread; must not block.
class far_world {
public:
  virtual ~far_world() = default;
  [[nodiscard]] virtual bool has(const address& who) const = 0; // asked once for each
  virtual void send(const address& from, incarnation from_life, const address& to, message m) = 0;
  virtual void kill(const address& who) = 0;
  virtual incarnation start(const address& who) = 0; // of any actor, those of this process as well
};

struct live_world_options {
  int kernel_threads = 1;
  int service_threads = 1;     // actors and brief jobs; idle kernel threads help
  far_world* beyond = nullptr; // none: all actors are here. Outlives the world.
  // An actor that has begun something and gets no further is taken for dead within so long, a tick
  // sooner at most; 0: never. (supervision/progress_watch.hpp)
  std::function<std::chrono::nanoseconds(const address&)> progress_within = {}; // empty: nobody is
  std::chrono::nanoseconds progress_tick = std::chrono::milliseconds(100); // looked at so often
};

class live_world final : public world {
public:
  explicit live_world(const live_world_options& options);
  ~live_world() override;

  void add(const address& who, role_factory make) override;
  void kill_at(const fault_point& where) override;
  void slow(const address& who, double factor) override;
  void observe(world_observer& by) override;
  void start() override;

  void play(const std::function<bool()>&) override {}

  void begin_again(const std::string& where, const std::function<void()>& set) override;

  void send(const address& to, message m) override;
  void kill(const address& who) override;
  void inject(const fault& what) override; // of those of other nodes: what concerns this one
  [[nodiscard]] std::string refusal(const fault& what) const override;
  void after(std::chrono::nanoseconds delay, std::function<void()> what) override;
  void stop() final;
  wait_graph waits() override; // of the actors that are here

  // For who owns `beyond`. The actors that are here begin by enter(), and not by start().
  // They begin, instead of older ones; all are there before the first of them speaks.
  void enter(const std::vector<std::pair<address, incarnation>>& whom);
  void leave(const address& who); // the next one is in another process
  // Returns when nobody plays here; nobody begins before enter_again(), with which the job does.
  void end_all();
  void enter_again(const std::vector<std::pair<address, incarnation>>& whom);
  // To an actor that is here. `credit` is kept until the message is handled.
  void
  hear(const address& from, const address& to, message m, std::shared_ptr<const void> credit = {});
  [[nodiscard]] std::chrono::nanoseconds now() const override;

  struct impl;

private:
  std::unique_ptr<impl> impl_;
};

} // namespace troupe
