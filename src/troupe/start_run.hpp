// What cluster and simulated_cluster have in common: a wiring is checked, cast into a world, and
// becomes a run.
#pragma once

#include "actors/runtime/world.hpp"
#include "troupe/casting.hpp"
#include "troupe/cluster.hpp"

#include <functional>
#include <memory>
#include <string>

namespace troupe {

struct stage_of_run {
  std::function<std::unique_ptr<world>()> make_world; // called when nothing is wrong
  int kernel_threads = 1;                             // of the world
  stand_ins instead = {};
  std::shared_ptr<disk> files = {};             // where checkpoints go; empty: the machine's
  std::function<void(run_result&)> report = {}; // adds what the world knows; may be empty
};

// Whether its players can be killed: what they know others know, too.
bool is_mortal(role_kind role);

// Throws error where `who` is not played, or cannot be restarted once it was killed.
void check_mortal(const wiring& w, const address& who, const std::string& where);

// Throws error before anything is spawned.
run start_run(const wiring& w, run_options options, const stage_of_run& stage);

} // namespace troupe
