// The live runtime: each role becomes a CAF actor of this process, computations run on an executor.
//
// Life of a world: add() every role, start() them, talk, stop(). start() and stop() are called by
// one owner thread; send() and kill() by any.
#pragma once

#include "actors/address.hpp"
#include "actors/message.hpp"
#include "actors/runtime/role.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace troupe {

struct live_world_options {
  int kernel_threads = 1;
  int service_threads = 1; // actors and brief jobs; idle kernel threads help
};

// End the incarnation that is at `who` when it has handled its `after_messages`-th message of
// `step`.
struct kill_plan {
  address who;
  std::uint64_t step = 0;
  int after_messages = 1;
};

class live_world {
public:
  explicit live_world(const live_world_options& options);
  ~live_world();

  void add(const address& who, role_factory make);
  void plan(const kill_plan& kill); // before start()
  // Before start(). Kernels of the actor at `who` take `factor`, 1 or more, times as long: what
  // they report is heard later. No thread is busy meanwhile.
  void slow(const address& who, double factor);
  void start();
  void send(const address& to, message m);
  void kill(const address& who); // at the next message boundary
  void stop();                   // no handler and no computation runs after it

  struct impl;

private:
  std::unique_ptr<impl> impl_;
};

} // namespace troupe
