// What faults cost a run: work of microbatches that was done before, and tensors that the same
// actor was sent before. Looks on at every message and computation, so it is there only where
// faults are.
#pragma once

#include "actors/runtime/world_observer.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_set>
#include <utility>

namespace troupe {

struct fault_cost {
  double recomputed_ms = 0; // forward and backward, whose work had been done in whole or in part
  std::uint64_t resent_bytes = 0;
};

// Any thread. Over several nodes: of this one.
class fault_costs final : public world_observer {
public:
  // Tells `other` the same, where there is one.
  explicit fault_costs(std::shared_ptr<world_observer> other = {}) : other_(std::move(other)) {}

  void heard(const heard_message& m) override;
  void computed(const computed_work& w) override;

  [[nodiscard]] fault_cost total() const;

private:
  // Of what was seen not too long ago: a job of any length takes the same memory.
  class recent {
  public:
    bool insert(std::uint64_t key); // whether it is new

  private:
    static constexpr std::size_t half = std::size_t{1} << 16U;
    std::unordered_set<std::uint64_t> now_, before_;
  };

  const std::shared_ptr<world_observer> other_;
  mutable std::mutex mutex_;
  recent heard_, computed_;
  fault_cost total_;
};

} // namespace troupe
