// The run folder of a job that goes on elsewhere: finds it, and follows its files.
#pragma once

#include "cli/line_follower.hpp"
#include "cli/run_view.hpp"

#include <string>

namespace troupe::cli {

// The folder that was asked for, or one of that name below runs/; "": where somebody wrote last of
// those below runs/. Throws mistakes where there is no run.
std::string watched_folder(const std::string& asked);

class watched_run {
public:
  explicit watched_run(const std::string& folder);

  // Reads what was written since the last call.
  const run_view& look();

  [[nodiscard]] double silent() const; // seconds since something was written

private:
  std::string folder_;
  line_follower figures_, events_;
  run_view view_;
};

} // namespace troupe::cli
