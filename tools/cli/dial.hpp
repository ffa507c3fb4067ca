// --dial KIND[:ROLE]=VALUE[@step=N]
#pragma once

#include "troupe/dials.hpp"

#include <string>

namespace troupe::cli {

dial parse_dial(const std::string& said); // throws error; text(dial) is the inverse

} // namespace troupe::cli
