// How long a step of a wiring takes on a cluster, by a simulation without mathematics: in its
// stride, evaluation and saving excluded.
#pragma once

#include "troupe/simulated_cluster.hpp"

namespace troupe {

// Seconds of virtual time; of asynchronous jobs the mean. Throws error as start() does.
double predicted_step_seconds(wiring w, simulated_cluster cluster);

} // namespace troupe
