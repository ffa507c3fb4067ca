// Pictures of a wiring: a box per role, a frame per node, an arrow for what one role says to
// another. Solid arrows carry tensors and name them, with their bytes a step where a price is
// given; dashed ones are control. Requests are not drawn, their answers are; what holders tell
// evaluators and the checkpointer now and then is left out.
//
// A wiring of more than 40 roles is drawn with one box for all replicas of a role.
#pragma once

#include "troupe/price.hpp"
#include "troupe/wiring.hpp"

#include <string>

namespace troupe {

std::string dot(const wiring& w, const wiring_price* price = nullptr);     // Graphviz
std::string mermaid(const wiring& w, const wiring_price* price = nullptr); // for Markdown pages

// dot's picture, drawn by the program of Debian's package graphviz. Throws error: it is missing, or
// it fails.
std::string svg(const wiring& w, const wiring_price* price = nullptr);

} // namespace troupe
