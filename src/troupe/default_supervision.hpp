// The supervision tree of a wiring where none is chosen, and whether a chosen one fits. All
// strategies are one for one: an actor of a job that dies needs nobody to die with it.
//   root
//     control        director, recorder, checkpointer, evaluators
//     parameters     parameter holders, gradient aggregators
//     replica/0      its data loader, layer shards, residual keepers
//     replica/1      ...
#pragma once

#include "actors/supervision/supervision_tree.hpp"
#include "troupe/wiring.hpp"

#include <string>
#include <vector>

namespace troupe {

supervision_tree default_supervision(const wiring& w);

// Everything that keeps the tree from supervising the wiring; empty: nothing.
std::vector<error_text> mistakes_of(const supervision_tree& t, const wiring& w);

// dot's picture, drawn by the program of Debian's package graphviz. Throws error: it is missing, or
// it fails.
std::string svg(const supervision_tree& t);

} // namespace troupe
