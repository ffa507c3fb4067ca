#include "actors/consistency.hpp"

#include <fmt/format.h>

namespace troupe {

std::string text(const consistency& c) {
  std::string out = c.kind == consistency_kind::synchronous ? "synchronous"
                    : c.kind == consistency_kind::bounded   ? fmt::format("SSP({})", c.staleness)
                                                            : "ASP";
  if (c.staleness_aware) out += ", staleness-aware rate";
  if (c.delay_compensation != 0)
    out += fmt::format(", delay compensation {}", c.delay_compensation);
  return out;
}

} // namespace troupe
