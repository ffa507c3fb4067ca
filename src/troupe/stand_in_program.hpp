// Programs that compute nothing: they hand on what the real ones would, of the same sizes and in
// the same order, without meaning. For simulations of more nodes than one machine can compute for.
// All tensors of one size are the same one, so a thousand of them cost the memory of one.
#pragma once

#include "troupe/casting.hpp"

namespace troupe {

// Each part is compiled once for real, to learn its sizes. No data are read.
stand_ins stand_ins_for(const job& j);

} // namespace troupe
