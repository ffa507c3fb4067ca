// Brings a wiring to life in virtual time: `simulated_cluster{options}.start(wiring)` plays the
// same actors on modelled nodes and links, in one thread. What is computed is real, and bit by bit
// what cluster{} computes; when it happens is a function of the options alone, the seed among them.
#pragma once

#include "actors/runtime/simulation/model.hpp"
#include "troupe/cluster.hpp"
#include "troupe/failures.hpp"
#include "troupe/simulation_costs.hpp"

#include <functional>
#include <optional>
#include <vector>

namespace troupe {

struct simulated_cluster {
  simulation_model model; // seed, nodes, links, what goes wrong
  int nodes = 0;          // the wiring's nodes are dealt out over so many; 0: as many as it has
  std::optional<failure_rate> failures; // drawn from the model's seed, besides its faults
  simulation_costs costs;
  // Kernels compute nothing: what is said has its sizes and its times, but no meaning, so that a
  // thousand nodes take seconds. Losses and digests are void, and nothing is evaluated.
  bool timing_only = false;
  std::function<void(const heard_message&)> on_message; // everything that is heard, in order
  // Each fault point that is passed, numbered since the job began: what can be named in
  // run_options::kills.
  std::function<void(const fault_point&)> on_point = {};
  // Where checkpoints are written; empty: in memory, and gone with the run.
  std::shared_ptr<disk> files;

  // Throws error before anything is played. Virtual time passes within run::wait(), which throws
  // error, too, where nobody can go on. run_result::seconds and the like are virtual.
  [[nodiscard]] run start(const wiring& w, run_options options = {}) const;
};

// Its nodes are such machines from now on: cores, their contention, costs, messages within a node.
void set_machine(simulated_cluster& c, const machine_profile& m);

// The same cluster where nothing goes wrong, to compare with; without mathematics, so that it takes
// little time. (Where payloads are compressed to a size that depends on their values, its messages
// have other sizes.)
simulated_cluster undisturbed(simulated_cluster c);

// What keeps the wiring from being simulated so; those of the wiring itself are not among them.
std::vector<error_text> mistakes_of(const simulated_cluster& c, const wiring& w);

} // namespace troupe
