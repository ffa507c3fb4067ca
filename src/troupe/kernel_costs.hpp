// What the pieces of a model cost on a machine, by its profile: as a kernel of the same layers and
// size that was measured, between several of them, or by FLOPs and bytes where none is alike.
#pragma once

#include "troupe/machine_profile.hpp"
#include "troupe/price.hpp"

#include <vector>

namespace troupe {

// Of each piece, without times: what there is to measure. REQUIRES: mistakes_of(j) is empty.
std::vector<kernel_rate> kernels_of(const job& j);

// Of a microbatch on one core. REQUIRES: mistakes_of(j) is empty.
std::vector<piece_cost> piece_costs(const job& j, const machine_profile& m);

} // namespace troupe
