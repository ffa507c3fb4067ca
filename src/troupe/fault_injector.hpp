// Makes the faults of a run happen when they are due: it knows the clock of its world and the steps
// that are committed, and keeps a record of what happened. Any thread.
#pragma once

#include "actors/runtime/world.hpp"
#include "troupe/faults.hpp"
#include "troupe/wiring.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace troupe {

class fault_injector {
public:
  // `where` plays the wiring on so many nodes, and outlives this, or stops before it. `tell` is
  // told what happens, at once, by any thread. `costs` is told what that world does.
  fault_injector(std::shared_ptr<const wiring> w,
                 world& where,
                 int nodes,
                 std::shared_ptr<const fault_costs> costs,
                 std::function<void(const fault_record&)> tell);
  ~fault_injector();
  fault_injector(const fault_injector&) = delete;
  fault_injector& operator=(const fault_injector&) = delete;

  // Throws error: it cannot happen in this world, or to this job.
  void check(const injected_fault& f) const;
  void add(const injected_fault& f);  // REQUIRES: check() was content
  void calm();                        // what is still to come does not happen, but for repairs
  void committed(std::int64_t steps); // so many of the job
  void restarted(const address& who, const std::string& reason, double recovery_ms);
  [[nodiscard]] std::vector<fault_record> happened() const;

private:
  struct state;
  std::shared_ptr<state> state_; // timers of the world may come after its end
};

} // namespace troupe
