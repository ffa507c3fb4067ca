// What is wrong with faults that somebody asks for: of what a wiring makes impossible. (What a
// world cannot do it says itself.)
#pragma once

#include "troupe/cluster.hpp"
#include "troupe/faults.hpp"

#include <string>
#include <vector>

namespace troupe {

// Each throws error at what was asked for.
void check_kill(const wiring& w, const fault_point& at, const std::string& where);
void check_slow(const wiring& w, const slow_actor& s, const std::string& where);
void check_fault(const wiring& w, const injected_fault& f, int nodes); // that it is played on

// Throws error where all that some actor knows is on that node, and the job cannot go back.
void check_node_may_die(const wiring& w, int node, int nodes, const std::string& where);

} // namespace troupe
