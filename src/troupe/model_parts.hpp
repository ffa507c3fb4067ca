// Where a job's model can be cut, and the parts of a cut: what a topology fills wiring::parts with.
#pragma once

#include "ops/program.hpp"
#include "troupe/wiring.hpp"

#include <vector>

namespace troupe {

// REQUIRES: mistakes_of(j) is empty.
std::vector<piece> pieces_of(const job& j);

// The parts of `pieces`; `cut` has the piece with which each part but the first begins. REQUIRES:
// rising, within 1 to pieces.size() - 1.
std::vector<model_part> parts_of(const std::vector<piece>& pieces, const std::vector<int>& cut);

// Contiguous runs of pieces, the most expensive as cheap as possible: a cut. REQUIRES: 1 <= parts
// <= costs.size().
std::vector<int> balanced_cut(const std::vector<double>& costs, int parts);

} // namespace troupe
