// --kill ROLE@step=N[,message=K]
#pragma once

#include "troupe/cluster.hpp"

#include <string>

namespace troupe::cli {

planned_kill parse_kill(const std::string& text); // throws error
std::string kill_text(const planned_kill& kill);  // parse_kill reads it back

} // namespace troupe::cli
