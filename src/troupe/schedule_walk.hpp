// The lists of a schedule in an order in which they can run: what the check, the simulation and the
// credits have in common.
#pragma once

#include "troupe/schedule.hpp"

#include <cstddef>
#include <functional>
#include <limits>
#include <optional>
#include <vector>

namespace troupe::detail {

constexpr int unlimited_credit = std::numeric_limits<int>::max();

// The operation on another part whose result `op` takes, if any. Kind backward stands for the
// gradient of the inputs, whichever operation computes it.
std::optional<schedule_op> needed_by(const schedule& s, const schedule_op& op);

// Whether `op` gives what `need`, from needed_by, asks for.
bool gives(const schedule_op& op, const schedule_op& need);

// Visits (stage, place in its list), each operation after what it needs, as far as the lists and
// the credit (see mistakes_of) let it. Returns how far each stage came. REQUIRES: every operation
// exists once, on its stage, a backward after its forward.
std::vector<std::size_t>
walk(const schedule& s, int credit, const std::function<void(std::size_t, std::size_t)>& visit);

} // namespace troupe::detail
