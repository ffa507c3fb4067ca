// The simulated runtime: the same roles in one thread and in virtual time. Nodes, links and faults
// are modelled, computations are carried out for real, and one seed decides everything that could
// happen in another order or at another time. So the same seed gives the same run, event by event,
// and what is computed is bit by bit what a live world computes.
//
// Virtual time. A handler takes none. A computation is carried out at once when it gets a core; it
// says what it does (computation::begin), the cost model says how long that takes, and what it
// posts is heard at times spread evenly over the work that it comes of. If its actor is killed
// meanwhile, what was to be heard later is lost and the core is free: as if the kernels had stopped
// at that moment. Nobody can see that they had run on, because a computation touches nothing but
// what it was given. (A checkpoint's file is written when its computation begins.)
//
// Messages between nodes take a link (simulation/network.hpp); within a node a small constant time.
// A death is known to the supervisor's node after a message's time, and a new incarnation hears
// what arrives from the moment at which the supervisor orders it.
//
// Files stay in memory, unless a disk is given.
#pragma once

#include "actors/runtime/simulation/model.hpp"
#include "actors/runtime/simulation/report.hpp"
#include "actors/runtime/world.hpp"

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>

namespace troupe {

struct simulated_world_options {
  simulation_model model;
  std::function<int(const address&)> node_of;
  // On a node of slowness 1.
  std::function<std::chrono::nanoseconds(const address&, const work&)> cost;
  std::function<void(const heard_message&)> on_message = {}; // may be empty
  std::function<void(const fault_point&)> on_point = {};     // each that is passed; may be empty
  std::shared_ptr<disk> files = {}; // empty: in memory, and gone with the world
  std::size_t actors = 0;           // that will be added, if it is known
  // Who will say what actors wait for, where they do not know; may be empty.
  std::function<void(wait_graph&)> name_sources = {};
};

class simulated_world final : public world {
public:
  explicit simulated_world(simulated_world_options options);
  ~simulated_world() override;

  void add(const address& who, role_factory make) override;
  void kill_at(const fault_point& where) override;
  void slow(const address& who, double factor) override;
  void observe(world_observer& by) override;
  void start() override;
  // Throws error where nothing is left to happen, with who heard what last.
  void play(const std::function<bool()>& ended) override;
  void begin_again(const std::string& where, const std::function<void()>& set) override;
  void send(const address& to, message m) override;
  void kill(const address& who) override;
  void inject(const fault& what) override;
  [[nodiscard]] std::string refusal(const fault& what) const override;
  void after(std::chrono::nanoseconds delay, std::function<void()> what) override;
  void stop() override;
  wait_graph waits() override;

  [[nodiscard]] std::chrono::nanoseconds now() const override;
  [[nodiscard]] simulation_report report() const; // all but the commits

  struct impl;

private:
  std::unique_ptr<impl> impl_;
};

} // namespace troupe
