// What `troupe launch`, `troupe node` and `troupe launch slurm` have in common: what a node's
// process is told, its log files, and its keys.
#pragma once

#include "cli/node_process.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace troupe::cli {

// This process's variables without any place, and with that of `place`.
environment_variables variables_for(const node_place& place);

// FOLDER/nodes/<node>; made if need be. Throws mistakes.
std::string make_node_folder(const std::string& folder, const std::string& node);

// Keys node-0 to node-<count - 1>, and the list that lets each be its node: those that are missing
// are made. Throws error.
void make_node_keys(const std::string& folder, std::uint32_t count);

// "driver" of "./build/driver"
std::string driver_name(const std::vector<std::string>& program);

} // namespace troupe::cli
