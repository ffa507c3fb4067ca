// --timeline FILE of `troupe train` and `troupe simulate`.
#pragma once

#include "cli/screen.hpp"
#include "cli/train_options.hpp"
#include "troupe/run_timeline.hpp"

#include <memory>

namespace troupe::cli {

class timeline_file {
public:
  // `nodes`: the wiring's were dealt out over so many; 0: as many as it has.
  timeline_file(const train_options& o, const wiring& w, int nodes = 0);

  [[nodiscard]] std::shared_ptr<world_observer> watch() const { return content_; } // may be empty

  // If it was asked for. What cannot be written is said: the run's result counts for more.
  void write(screen& to) const;

private:
  std::string path_;
  bool quiet_;
  std::shared_ptr<run_timeline> content_;
};

} // namespace troupe::cli
