#include "actors/supervision/failure_window.hpp"

namespace troupe {

bool failure_window::note(std::chrono::nanoseconds when, const restart_intensity& limit) {
  while (!failures_.empty() && failures_.front() + limit.window <= when)
    failures_.pop_front();
  failures_.push_back(when);
  const bool borne = static_cast<int>(failures_.size()) <= limit.failures;
  if (!borne) failures_.pop_front(); // never longer than the limit
  return borne;
}

} // namespace troupe
