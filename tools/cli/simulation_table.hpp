// What is told of a simulation.
#pragma once

#include "troupe/simulated_cluster.hpp"

#include <string>
#include <vector>

namespace troupe::cli {

// Virtual times of steps, of which the middle one is told: the first ones start from nothing, and
// deaths stretch some.
class step_times {
public:
  void add(double seconds); // since training began
  [[nodiscard]] double median() const;

private:
  double last_ = 0;
  std::vector<double> all_;
};

// "2 nodes with 2 cores, links 1 ms, 10 Gbit/s; 3 events; seed 1"
std::string model_text(const simulated_cluster& c, const wiring& w);

// REQUIRES: the result of a simulation. `computed`: with mathematics, so that digests mean
// something.
std::string simulation_table(const run_result& r, const step_times& steps, bool computed);
std::string simulation_json(const run_result& r, const step_times& steps, bool computed);

} // namespace troupe::cli
