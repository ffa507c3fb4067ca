// Which updates of which worker a parameter holder has accepted and applied. Step t is clock t / W
// of worker t % W; a worker's clocks come in order, so one number per worker says it all.
#pragma once

#include "actors/consistency.hpp"

#include <cstdint>
#include <vector>

namespace troupe {

class clock_ledger {
public:
  clock_ledger() = default;
  // Steps below `first_step` are applied.
  clock_ledger(std::uint64_t workers, std::uint64_t first_step);

  [[nodiscard]] std::uint64_t worker_of(std::uint64_t step) const { return step % workers_; }

  [[nodiscard]] std::uint64_t clock_of(std::uint64_t step) const { return step / workers_; }

  bool accept(std::uint64_t step); // false: it was accepted before
  [[nodiscard]] bool accepted(std::uint64_t step) const;
  void apply(std::uint64_t step);

  [[nodiscard]] const std::vector<std::uint64_t>& applied() const { return applied_; } // clocks

  [[nodiscard]] std::uint64_t oldest() const; // step that is not applied

  void restore(const std::vector<std::uint64_t>& applied); // and nothing more is accepted

  // Whether the worker of `step` may read parameters for it: its own updates are in, and the
  // slowest worker is at most the staleness bound behind.
  [[nodiscard]] bool may_read(std::uint64_t step, const consistency& order) const;

  // Clocks that the worker of `step` is ahead of the slowest one. Who has computed all of its steps
  // holds nobody up: no clock is after its last one.
  [[nodiscard]] std::uint64_t lead_of(std::uint64_t step) const;

private:
  std::uint64_t workers_ = 1;
  std::vector<std::uint64_t> accepted_, applied_; // clocks, by worker
};

} // namespace troupe
