// What a run looks like while it goes. On a terminal: one live line, at most 5 times a second, and
// one kept line per epoch and event. Elsewhere: plain lines, one per epoch and event, and of
// progress at most one in 10 s and one in 5 % of the job. Everything goes to stderr and is kept in
// a log. Thread-safe: a run tells from its threads, the program from its own.
#pragma once

#include "cli/progress.hpp"
#include "troupe/cluster.hpp"

#include <functional>
#include <mutex>
#include <string>

namespace troupe::cli {

struct screen_options {
  bool terminal = false, colour = false, quiet = false;
  int width = 80;
  bool tested = true, validated = false;
  std::int64_t steps = 0, steps_per_epoch = 1, batch = 1;
  std::function<double()> now;                   // seconds
  std::function<void(const std::string&)> write; // to the screen, as it is
  std::function<void(const std::string&)> log;   // each kept line; may be empty
};

class screen {
public:
  explicit screen(screen_options options) : options_(std::move(options)) {}

  void say(const std::string& line); // kept, also when quiet
  void show(const run_event& event);
  void finish(); // takes the live line away

private:
  void keep(const std::string& line, bool always);
  void on(const step_event& e);
  void progress(const step_event& e);
  progress_state state_of(const step_event& e) const;

  std::mutex mutex_;
  screen_options options_;
  bool live_ = false;
  double drawn_ = -1e9;
  std::int64_t drawn_step_ = 0;
  // Running means over about the last 50 steps.
  double loss_ = 0, accuracy_ = 0, seconds_per_step_ = 0;
  std::int64_t steps_seen_ = 0;
  step_event last_;
};

// What the process's stderr is, and NO_COLOR.
screen_options screen_options_of_process();

} // namespace troupe::cli
