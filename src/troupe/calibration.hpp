// Measures the machine that this runs on, as a profile for simulated clusters (docs/simulation.md).
// Kernels, sums and updates are timed by what their thread computes, so a machine that has other
// things to do disturbs them little; messages by the clock.
#pragma once

#include "troupe/machine_profile.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace troupe {

struct calibration_options {
  // Kernels are those of these models (model_by_name) in microbatches of so many images; other
  // layers and sizes are told from them.
  std::vector<std::string> models = {"cnn", "lenet", "resnet20", "mlp"};
  std::vector<std::int64_t> images = {8, 16, 32, 64, 128};
  int rounds = 5;             // of kernels; medians count
  double seconds = 0.3;       // of everything else
  std::vector<int> busy = {}; // cores at work at once; empty: 1, 2, 4, ... of the machine's
  std::function<void(const std::string&)> say; // what is measured now; may be empty
};

machine_profile calibrate(const calibration_options& options = {}); // throws error

} // namespace troupe
