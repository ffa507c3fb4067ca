// The live runtime: each role becomes a CAF actor of this process, computations run on an executor.
#pragma once

#include "actors/runtime/world.hpp"

#include <memory>

namespace troupe {

struct live_world_options {
  int kernel_threads = 1;
  int service_threads = 1; // actors and brief jobs; idle kernel threads help
};

class live_world final : public world {
public:
  explicit live_world(const live_world_options& options);
  ~live_world() override;

  void add(const address& who, role_factory make) override;
  void plan(const kill_plan& kill) override;
  void slow(const address& who, double factor) override;
  void observe(world_observer& by) override;
  void start() override;

  void play(const std::function<bool()>&) override {}

  void send(const address& to, message m) override;
  void kill(const address& who) override;
  void stop() final;

  struct impl;

private:
  std::unique_ptr<impl> impl_;
};

} // namespace troupe
