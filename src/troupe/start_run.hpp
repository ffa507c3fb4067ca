// What cluster and simulated_cluster have in common: a wiring is checked, cast into a world, and
// becomes a run.
#pragma once

#include "actors/runtime/world.hpp"
#include "actors/wire/order.hpp"
#include "troupe/casting.hpp"
#include "troupe/cluster.hpp"

#include <functional>
#include <memory>
#include <string>

namespace troupe {

// What a world of several nodes tells the run.
struct run_hooks {
  std::function<void(std::uint32_t)> on_number; // of this node, where it was not known before
  std::function<void(const node_event&)> on_node;
  std::function<void(const links_event&)> on_links;
  std::function<void(const order::over&)> on_over; // of a node that does not lead
  // Likewise: the job begins again at that checkpoint; returns why it cannot, or nothing.
  std::function<std::string(const std::string&)> on_begin_again;
  std::function<void(wait_graph&)> name_sources; // of waits that do not say from whom
};

// Where the job begins.
struct start_of_run {
  std::string text;       // for nodes to compare
  std::string checkpoint; // for those that begin elsewhere; empty: it is none
};

struct stage_of_run {
  // Called when nothing is wrong.
  std::function<std::unique_ptr<world>(const run_hooks&, const start_of_run& start)> make_world;
  int kernel_threads = 1; // of the world
  stand_ins instead = {};
  std::shared_ptr<disk> files = {};             // where checkpoints go; empty: the machine's
  std::function<void(run_result&)> report = {}; // adds what the world knows; may be empty
  // Of the node that leads: how it ended, before the world stops; may be empty.
  std::function<void(const order::over&)> conclude = {};
  // Likewise: lets the actors of a node go on elsewhere; empty: there are no others.
  std::function<void(std::uint32_t)> drain = {};
  node_place place = {}; // of how many nodes this is which; a spare will be one of them
  std::function<bool(const address&)> plays = {}; // here; empty: all
  bool is_watched = false; // by the clock of the machine, and by other programs
};

// Whether the job goes on when it is killed.
bool is_mortal(const wiring& w, const address& who);

// Whether what its players know may be lost with them.
bool has_state(role_kind role);

// Throws error where `who` is not played, or is not mortal.
void check_mortal(const wiring& w, const address& who, const std::string& where);

// Throws error before anything is spawned.
run start_run(const wiring& w, run_options options, const stage_of_run& stage);

} // namespace troupe
