// What `troupe top` shows, as a pure function of what is known.
#pragma once

#include "cli/run_view.hpp"

#include <string>
#include <vector>

namespace troupe::cli {

struct frame_options {
  std::string folder; // of the run
  double silent = 0;  // seconds since its files grew
  int width = 0;      // columns; 0: as many as it takes
  int height = 0;     // lines; 0: likewise
  bool colour = false;
};

// At most `height` lines of at most `width` columns; what does not fit is counted.
std::vector<std::string> frame_of(const run_view& run, const frame_options& options);

// The same as one object.
std::string frame_json(const run_view& run, const frame_options& options);

} // namespace troupe::cli
