// A wiring as JSON that a person can edit: the cut, then one role per line.
//
//   {"role": "layer_shard/0/1", "node": 1, "microbatches": [0, 4], "parts": [1],
//    "schedule": "F0 B0 F1 B1", "talks_to": ["data_loader/0", "director"]}
//
// The job is not in it, only what it must fit: model, batch and microbatches. `microbatches` is the
// first and how many; an operation of a schedule says its part (F0@1) where its role has several.
// What is read may still have mistakes_of(wiring): cluster::start and the program tell them.
#pragma once

#include "troupe/wiring.hpp"

#include <string>

namespace troupe {

// REQUIRES: the job has no mistakes, here and below.
std::string to_json(const wiring& w);

// The inverse. Throws error naming `path` and the place: malformed text, or another job's wiring.
wiring parse_wiring(const std::string& json, job j, const std::string& path = "wiring");

void save_wiring(const wiring& w, const std::string& path); // throws error
wiring load_wiring(const std::string& path, job j);         // throws error

} // namespace troupe
