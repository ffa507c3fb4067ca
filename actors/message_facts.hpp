// What can be said of any message without knowing its kind.
#pragma once

#include "actors/message.hpp"
#include "actors/runtime/work.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace troupe {

// What it would take on a link: its tensors and a header.
std::int64_t message_bytes(const message& m);

// The numbers of its key (step, block, microbatch ...), folded into one. For traces: equal keys
// give equal numbers on every machine.
std::uint64_t message_key(const message& m);

// What an actor was handling when it failed, for people, and to see that it was the same:
// "gradient of step 3, key 91ab05c2".
std::string input_text(const message& m);
inline constexpr const char* input_of_start = "its start"; // before it has heard anything
// Of a computation: "backward of microbatch 2 of step 3". Empty: nothing is known of it.
std::string input_text(const std::optional<work>& doing, std::uint64_t step);

// What ended a computation. Where the machine is to blame (a device, a disk), not what was
// computed, no input is named.
protocol::job_failed
failure_of(const std::exception& e, const std::optional<work>& doing, std::uint64_t step);

} // namespace troupe
