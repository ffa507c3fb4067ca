// What can be said of any message without knowing its kind.
#pragma once

#include "actors/message.hpp"

#include <cstdint>

namespace troupe {

// What it would take on a link: its tensors and a header.
std::int64_t message_bytes(const message& m);

// The numbers of its key (step, block, microbatch ...), folded into one. For traces: equal keys
// give equal numbers on every machine.
std::uint64_t message_key(const message& m);

} // namespace troupe
