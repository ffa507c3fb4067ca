// How many microbatches of each of its parts a layer shard may have in flight: gone forward, and
// not back to the end. The schedule keeps some number; a dial may lower it.
//
// A shard follows its list as long as the schedule's own number is in force in its whole replica.
// Else it takes the first operation of the list that has its inputs and fits into the credit:
// gradients of weights that are left before all others, because they give credit back, and forwards
// of a part in the order of the list. No replica deadlocks, whatever the credits (1 or more) and
// however they change, where all its parts go forward in one order: take the first microbatch in
// this order that is not done everywhere. No part that it has not passed has others in flight, so
// it can go forward there; and where it has passed all of them, the last part that has it in flight
// can go backward. From any state that this leads to the lists can be followed again: what the
// first of the operations that are left takes, in an order in which all lists can run, is there.
#pragma once

#include "actors/schedule_op.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

namespace troupe {

// What follows from a schedule alone.
struct depth_facts {
  explicit depth_facts(std::vector<schedule_op> schedule);

  std::vector<schedule_op> schedule;
  std::vector<std::size_t> after; // by operation: the one of this shard that it builds on; itself
  std::map<int, std::uint64_t> kept;
};

class depth_credit {
public:
  explicit depth_credit(std::shared_ptr<const depth_facts> facts) : facts_(std::move(facts)) {}

  explicit depth_credit(const std::vector<schedule_op>& schedule)
      : depth_credit(std::make_shared<const depth_facts>(schedule)) {}

  // 0: what the schedule keeps, in its order.
  void set(std::uint64_t value) { value_ = value; }

  [[nodiscard]] std::uint64_t value() const { return value_; }

  // In force for a part while the credit is `value`.
  [[nodiscard]] std::uint64_t bound(int part, std::uint64_t value) const;

  // The operations that may be next, the best first, where the list is not followed. `computed`: by
  // operation.
  [[nodiscard]] std::vector<std::size_t> candidates(const std::vector<bool>& computed) const;
  // What is computed with an operation: with the gradient of the inputs that of the weights, so
  // that it is never ahead of the list with one half alone.
  [[nodiscard]] std::vector<std::size_t> run_of(std::size_t operation) const;

  // What a schedule keeps, by part.
  static std::map<int, std::uint64_t> kept_by(const std::vector<schedule_op>& schedule);

private:
  std::shared_ptr<const depth_facts> facts_;
  std::uint64_t value_ = 0;
};

} // namespace troupe
