// One simulation, from its settings to its figures.
#pragma once

#include "cli/simulation_options.hpp"
#include "cli/train_options.hpp"
#include "troupe/simulation_summary.hpp"

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

namespace troupe::cli {

// Data sets that several simulations share. Thread-safe.
class data_shelf {
public:
  // Without `pixels`: sizes and labels alone.
  data_split get(const train_options& o, const std::string& where, bool pixels = true);

private:
  std::mutex mutex_;
  std::map<std::string, data_split> loaded_;
};

struct simulation_plan {
  train_options training;
  simulation_options options;
  wiring wired;
  bool evaluate = false;
};

struct simulation_figures {
  run_result result;
  simulation_summary summary;
  std::optional<goodput> kept; // where something went wrong: against the same where nothing does
  bool computed = true;        // with mathematics, so that digests mean something
};

// Of `troupe simulate`. Throws mistakes: all of them.
simulation_plan simulation_plan_of(const setting_values& said, data_shelf& data);

// Throws error where nobody can go on.
simulation_figures play(const simulation_plan& plan,
                        std::function<void(const run_event&)> observer = {},
                        std::shared_ptr<world_observer> watch = {});

} // namespace troupe::cli
