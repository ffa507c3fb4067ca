// A wait graph for other programs.
#pragma once

#include "actors/wait_graph.hpp"

#include <string>

namespace troupe {

// One object, in one line: actors with what each waits for, nodes, what is on its way, and the
// suspects, the worst first, each with the path of waits that leads there.
std::string wait_graph_json(const wait_graph& g);

} // namespace troupe
