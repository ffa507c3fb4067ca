// How a node of a cluster meets the others: where it listens and whom it dials, what they must have
// in common, and by which keys they know each other.
#pragma once

#include "net/zeromq/node.hpp"
#include "troupe/cluster_environment.hpp"
#include "troupe/wiring.hpp"

#include <string>

namespace troupe {

// Where node `number` listens, if node 0 is met at `coordinator`. Throws error.
std::string own_endpoint(const std::string& coordinator, std::uint32_t number, bool encrypts);

// Where many processes share few cores each is heard late, and the heartbeats of all links alone
// would keep the machine busy: nodes are more patient there, in proportion.
void allow_for_crowd(net::node_options& links, const node_place& place, std::uint32_t cores);

// Throws error: files of keys that cannot be used, endpoints that nobody can be met at.
net::node_options links_of(const node_place& place, const wiring& w);

} // namespace troupe
