// What `troupe train` and `troupe plan` were asked for: checked values, ready to become a job.
#pragma once

#include "cli/settings.hpp"
#include "cli/wiring_options.hpp"
#include "troupe/cluster.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace troupe::cli {

struct train_options {
  std::string model, data;
  std::vector<slice> slices;
  double validation = 0;
  augmentation augment;
  bool shuffle = true, balanced_sampling = false;

  std::int64_t epochs = 0, steps = 0, batch = 0;
  std::uint64_t seed = 1;

  troupe::optimizer optimizer;
  troupe::learning_rate learning_rate;
  float label_smoothing = 0;
  std::vector<float> class_weights;
  std::shared_ptr<const codec> compression;
  std::uint32_t compressed_microbatches = 1;
  outer_steps outer;
  bool balanced_weights = false;

  wiring_options wired;
  int threads = 0;
  std::optional<std::chrono::milliseconds> move_after;
  std::uint32_t microbatches = 1;
  std::vector<planned_kill> kills;
  std::vector<slow_actor> slow;
  std::vector<injected_fault> faults;
  std::vector<dial> dials;

  std::string load, save, resume, run_folder, metrics, timeline;
  int timeline_steps = 20;
  std::int64_t checkpoint_every = 0, digest_every = 0;
  bool quiet = false, json = false;
};

// Throws mistakes: all of them.
train_options train_options_of(const setting_values& values);

// "flip,shift:2,normalise"; mistakes go to `wrong`.
augmentation parse_augment(const std::vector<std::string>& parts,
                           const std::string& where,
                           std::vector<error_text>& wrong);

// "4.c1:2"; mistakes go to `wrong`.
slice parse_slice(const std::string& text, std::vector<error_text>& wrong);

// The data set is the one thing missing. REQUIRES: data was loaded for these options.
job job_of(const train_options& o, data_split data);

// Who plays it. Throws mistakes: all of the job, of the wiring, and actors to kill or slow down
// that it lacks.
wiring wiring_of(const train_options& o, data_split data);

// Loads what --data names, held-out images split off. Throws mistakes with the exit code of the
// case.
data_split load_data_of(const std::string& spec,
                        double validation,
                        std::uint64_t seed,
                        const std::string& where);

// Weights that make every class count the same: n / (classes x images of the class).
std::vector<float> balanced_weights(const dataset& data);

} // namespace troupe::cli
