// One measurement of images per second.
#pragma once

#include "cli/bench_table.hpp"
#include "ops/data/dataset.hpp"

#include <string>

namespace troupe::cli {

struct bench_time {
  double seconds = 2;
  std::int64_t warm_up_steps = 6;
};

double measure_troupe(const bench_case& c, const data_split& data, const bench_time& t);

// The same steps without actors, loader and optimizer, on the calling thread.
double measure_kernels(const bench_case& c, const data_split& data, const bench_time& t);

// FOLDER/train.py with Debian's python3; throws error where it does not answer.
double measure_peer(const bench_case& c, const std::string& folder, const bench_time& t);

} // namespace troupe::cli
