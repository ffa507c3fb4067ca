// The credit of a wiring's edges, and what keeps a dial from setting it. docs/credit.md says when
// to turn which.
#pragma once

#include "actors/credit.hpp"
#include "ops/error.hpp"
#include "troupe/wiring.hpp"

#include <string>
#include <vector>

namespace troupe {

// With what they are before any dial is set.
std::vector<credit_edges> credit_edges_of(const wiring& w);

std::string credit_text(const wiring& w); // "prefetch 1, depth 1 to 3, staleness 4"

// Empty where the dial can be set. REQUIRES: mistakes_of(w) is empty.
std::vector<error_text> mistakes_of(const wiring& w, const dial& d);

} // namespace troupe
