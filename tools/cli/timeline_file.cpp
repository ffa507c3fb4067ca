#include "cli/timeline_file.hpp"

#include "cli/run_folder.hpp"

#include <fmt/format.h>

namespace troupe::cli {

timeline_file::timeline_file(const train_options& o, const wiring& w, int nodes)
    : path_(o.timeline), quiet_(o.quiet) {
  if (path_.empty()) return;
  check_writable(path_, "--timeline");
  content_ = std::make_shared<run_timeline>(
      w, timeline_options{.steps = o.timeline_steps, .nodes = nodes});
}

void timeline_file::write(screen& to) const {
  if (!content_) return;
  try {
    content_->write(path_);
    if (!quiet_)
      to.say(fmt::format("timeline: open {} in ui.perfetto.dev or chrome://tracing", path_));
  } catch (const error& e) {
    to.say(fmt::format("! {}", e.what()));
  }
}

} // namespace troupe::cli
