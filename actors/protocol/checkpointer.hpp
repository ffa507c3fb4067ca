// What a checkpointer says.
#pragma once

#include "ops/error.hpp"
#include "ops/files/checkpoint.hpp"

#include <cstdint>
#include <memory>
#include <string>

namespace troupe::protocol {

// From: checkpointer. To: director. Key: (request). Twice: dropped. Bound: one per save.
struct saved {
  std::uint64_t request = 0;
  std::string path;
  std::shared_ptr<const checkpoint> content;
  std::string problem; // empty, or why nothing was written (disk full ...); the job goes on
};

// From: checkpointer's writer. To: itself. Key: (request). Twice: cannot happen. Bound: one at a
// time.
struct written {
  saved value;
};

} // namespace troupe::protocol
