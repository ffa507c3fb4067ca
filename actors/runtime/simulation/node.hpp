// A simulated node: its cores, who waits for one, and whether it is paused.
#pragma once

#include "actors/runtime/simulation/event_queue.hpp"
#include "actors/runtime/simulation/model.hpp"

#include <cstdint>
#include <list>
#include <map>
#include <set>
#include <utility>
#include <vector>

namespace troupe::simulation {

class simulated_node {
public:
  simulated_node(const node_model& model, event_queue& events)
      : slowness(model.slowness),
        cores_(model.cores),
        free_(model.cores),
        busy_(model.busy),
        events_(events) {}

  // `begin` happens when a core is free, in the order of context::compute. It has the core until
  // release(). REQUIRES: not the brief lane.
  void ask(lane where, std::uint64_t step, action begin);
  void release();

  // Whether computations slow each other down.
  [[nodiscard]] bool contends() const { return !busy_.empty(); }

  // How many times as long a computation takes that begins now, with the core that it was given.
  [[nodiscard]] double contention() const;
  void occupy_until(instant end); // what has begun has its core until then

  // Whether an event may happen on it now. If not, it will happen later.
  bool admits(event& e);
  void pause();
  void resume();

  [[nodiscard]] bool is_paused() const { return paused_; }

  [[nodiscard]] duration paused_in_all() const { return paused_total_; }

  double slowness;

private:
  void grant();

  int cores_, free_;
  std::vector<double> busy_;
  std::multiset<instant> ends_; // of what computes; only where `busy_` says something
  event_queue& events_;
  std::list<action> updates_;
  std::map<std::pair<std::uint64_t, std::uint64_t>, action> kernels_;
  std::uint64_t kernels_asked_ = 0;
  bool paused_ = false;
  instant paused_since_{0};
  duration paused_total_{0};
  std::vector<event> held_;
};

} // namespace troupe::simulation
