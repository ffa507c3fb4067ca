// Where the roles of a wiring compute (topology.hpp has on_devices).
#pragma once

#include "ops/error.hpp"
#include "troupe/wiring.hpp"

#include <vector>

namespace troupe {

// Names that are none, and roles that compute on no device. Whether there is one its node knows.
std::vector<error_text> device_mistakes_of(const wiring& w);

} // namespace troupe
