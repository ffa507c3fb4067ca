// What a schedule costs in time: when each operation would run, given how long each takes, and
// pictures of it.
#pragma once

#include "troupe/schedule.hpp"

#include <string>
#include <vector>

namespace troupe {

// In seconds. A whole backward takes backward_input + backward_weights.
struct schedule_times {
  std::vector<double> forward; // by part, as the next two
  std::vector<double> backward_input;
  std::vector<double> backward_weights;
  double transfer = 0; // from one stage to another; computation goes on meanwhile
};

schedule_times uniform_times(int parts, double each = 1); // transfer 0

struct timed_op {
  schedule_op op;
  double start = 0; // seconds since the step began
  double end = 0;
};

struct timeline {
  std::vector<std::vector<timed_op>> per_stage;
  double makespan = 0;        // seconds until the last operation ends
  double bubble_fraction = 0; // 1 - time spent computing / (stages x makespan)
};

// Every stage runs its list in order, each operation as early as it can. Throws error where the
// schedule cannot run (all of mistakes_of) or the times are not those of its parts.
timeline simulate(const schedule& s, const schedule_times& times);
double bubble_fraction(const schedule& s, const schedule_times& times); // throws as simulate

// A chart of text, a line per stage, about 110 columns wide: what does not fit is cut, and a note
// says so. Throws as simulate.
std::string drawing(const schedule& s, const schedule_times& times);

// The same as a picture: one SVG element without outside references, for light and dark pages.
// Every operation tells its times when pointed at. Throws as simulate.
std::string svg(const schedule& s, const schedule_times& times);

} // namespace troupe
