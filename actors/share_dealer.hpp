// Deals the microbatches of each step to the replicas, by what their kernels took so far. Balanced:
// runs in proportion to speed. Backups: replicas that compute what the slowest do; whose result is
// there first counts.
//
// A step is dealt once, when it is permitted, and remembered until it is committed: whoever is
// restarted gets the same share. Runs follow each other in the order of the wiring, so replicas
// still add up subtrees of their own. A deal changes no bit, only the clock.
#pragma once

#include "actors/address.hpp"
#include "actors/protocol/layer_shard.hpp"
#include "actors/shares.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

namespace troupe {

struct share_dealer_options {
  std::vector<replica_share> wired; // in the order of their runs, then the backups
  std::size_t backups = 0;          // the last so many of them
  bool balance = false;
  std::vector<tree_span> units; // one behind the other, the batch; none is divided
};

class share_dealer {
public:
  explicit share_dealer(share_dealer_options options);

  [[nodiscard]] bool deals() const { return options_.balance || options_.backups > 0; }

  void deal(std::uint64_t step);                                       // where that is not done yet
  void restore(std::uint64_t step, std::vector<replica_share> shares); // that was done before
  void note(const protocol::share_computed& m);
  void forget_before(std::uint64_t step);

  // What was dealt of a step; empty where it is not known.
  [[nodiscard]] tree_span run_of(std::uint64_t step, std::uint32_t replica) const;
  [[nodiscard]] const std::vector<replica_share>& shares_of_step(std::uint64_t step) const;

private:
  [[nodiscard]] std::size_t sharing() const { return options_.wired.size() - options_.backups; }

  [[nodiscard]] std::vector<double> seconds_of_replicas() const;
  [[nodiscard]] std::vector<std::size_t> backed(const std::vector<double>& seconds) const;
  void balance(const std::vector<double>& seconds, const std::vector<std::size_t>& doubled);

  const share_dealer_options options_;
  std::vector<std::uint32_t> counts_;  // units of those who share the batch
  std::map<address, double> measured_; // seconds of a microbatch, by layer shard
  std::map<std::uint64_t, std::vector<replica_share>> dealt_; // by step
};

} // namespace troupe
