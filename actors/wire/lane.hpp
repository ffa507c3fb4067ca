// Which lane of a link carries what one role says to another. All of it takes one lane, so that it
// is heard in order; those who send tensors take the bulk lane, which nobody else waits for.
#pragma once

#include "actors/address.hpp"
#include "net/frame.hpp"

namespace troupe {

net::lane_kind lane_of(role_kind from, role_kind to);

} // namespace troupe
