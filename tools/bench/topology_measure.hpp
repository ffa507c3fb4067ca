// What bench_topologies measures: a wiring at work, the pieces of its model alone, and peers.
#pragma once

#include "troupe/schedule_times.hpp"
#include "troupe/wiring.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace troupe::bench {

// Of a run's steps after the first few, for so long. Throws error where that takes far too long.
double images_per_second(const wiring& w, double seconds);

// Of a run's steps after the first few, for so long, what so many of them take in the middle, or,
// at a lower quantile, in the run's better moments. Asynchronous steps come in bursts: then of
// several of each worker. Throws error likewise.
double seconds_of_step(const wiring& w, double seconds, double quantile = 0.5);

// One microbatch through each piece of a job's model, on the calling thread; medians.
schedule_times seconds_of_pieces(const job& j);

// The sums of a wiring's parts.
schedule_times seconds_of_parts(const wiring& w, const schedule_times& pieces);

// "images_per_s" of what `command` prints, a line of JSON; throws error where it prints none.
double images_per_second_of_peer(const std::string& command);

} // namespace troupe::bench
