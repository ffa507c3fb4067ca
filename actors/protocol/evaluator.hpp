// What an evaluator says.
#pragma once

#include <cstdint>
#include <vector>

namespace troupe::protocol {

struct evaluation_sums {
  std::vector<double> losses; // summed over the images of each batch, in the order of the share
  std::int64_t correct = 0;
  std::int64_t images = 0;
};

// From: evaluator. To: director. Key: (round, part). Twice: overwritten by the same values.
// Bound: one per evaluator and round.
struct evaluated {
  std::uint64_t round = 0;
  std::uint32_t part = 0;
  evaluation_sums test, validation;
};

// From: evaluator's kernels. To: itself. Key: (round). Twice: cannot happen. Bound: one at a time.
struct evaluation_done {
  evaluated value;
};

} // namespace troupe::protocol
