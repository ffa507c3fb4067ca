// --slow ROLE@xFACTOR
#pragma once

#include "troupe/cluster.hpp"

#include <string>

namespace troupe::cli {

slow_actor parse_slow(const std::string& text); // throws error
std::string slow_text(const slow_actor& slow);  // parse_slow reads it back

} // namespace troupe::cli
