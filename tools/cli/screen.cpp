#include "cli/screen.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <variant>

namespace troupe::cli {

namespace {

constexpr double live_every = 0.2, plain_every = 10;
constexpr double plain_part = 0.05;
constexpr double remembered_steps = 50;
constexpr const char* clear_line = "\r\x1b[K";

} // namespace

void screen::say(const std::string& line) {
  const std::lock_guard hold(mutex_);
  keep(line, true);
}

void screen::finish() {
  const std::lock_guard hold(mutex_);
  if (live_) options_.write(clear_line);
  live_ = false;
}

void screen::show(const run_event& event) {
  const std::lock_guard hold(mutex_);
  if (const auto* step = std::get_if<step_event>(&event)) on(*step);
  if (const auto* epoch = std::get_if<epoch_event>(&event)) {
    const auto epochs = (options_.steps + options_.steps_per_epoch - 1) / options_.steps_per_epoch;
    keep(epoch_line(*epoch, epochs, options_.tested, options_.validated), false);
    drawn_ = options_.now();
    drawn_step_ = last_.step;
  }
  if (const auto* fault = std::get_if<fault_event>(&event)) keep(fault_line(*fault), false);
  if (const auto* back = std::get_if<rollback_event>(&event)) keep(rollback_line(*back), false);
  if (const auto* saved = std::get_if<saved_event>(&event)) keep(saved_line(*saved), false);
  const auto* done = std::get_if<injection_event>(&event);
  if (done != nullptr && !done->point) // the death that follows tells its point
    keep(injection_line(*done), false);
  if (const auto* node = std::get_if<node_event>(&event)) keep(node_line(*node), false);
  if (const auto* s = std::get_if<stalled_event>(&event)) keep(stalled_lines(*s), false);
}

void screen::keep(const std::string& line, bool always) {
  if (options_.log) options_.log(line);
  if (options_.quiet && !always) return;
  options_.write((live_ ? clear_line : "") + line + "\n");
  live_ = false;
}

void screen::on(const step_event& e) {
  const double share = 1 / std::min(static_cast<double>(++steps_seen_), remembered_steps);
  loss_ += share * (e.loss - loss_);
  accuracy_ += share * (e.accuracy - accuracy_);
  if (steps_seen_ > 1) {
    // The first interval is between the first and the second step.
    const double own = 1 / std::min(static_cast<double>(steps_seen_ - 1), remembered_steps);
    seconds_per_step_ += own * (e.seconds - last_.seconds - seconds_per_step_);
  }
  last_ = e;
  if (!options_.quiet) progress(e);
}

void screen::progress(const step_event& e) {
  const double now = options_.now();
  if (options_.terminal) {
    if (now - drawn_ < live_every) return;
    options_.write("\r" + live_line(state_of(e), options_.width, options_.colour) + "\x1b[K");
    live_ = true;
  } else {
    if (drawn_ < -1e8) { // the time runs from the first step
      drawn_ = now;
      drawn_step_ = e.step;
      return;
    }
    const auto far = static_cast<double>(e.step - drawn_step_);
    if (now - drawn_ < plain_every || far < plain_part * static_cast<double>(options_.steps))
      return;
    keep(plain_line(state_of(e)), false);
  }
  drawn_ = now;
  drawn_step_ = e.step;
}

progress_state screen::state_of(const step_event& e) const {
  const std::int64_t length = std::max<std::int64_t>(options_.steps_per_epoch, 1);
  const std::int64_t before = std::max<std::int64_t>(e.step - 1, 0);
  progress_state s;
  s.epoch = before / length + 1;
  s.epochs = (options_.steps + length - 1) / length;
  s.step = before % length + 1;
  s.steps = std::min(length, options_.steps - (s.epoch - 1) * length);
  s.steps_left = options_.steps - e.step;
  s.loss = loss_;
  s.accuracy = accuracy_;
  s.seconds_per_step = seconds_per_step_;
  if (seconds_per_step_ > 0)
    s.images_per_second = static_cast<double>(options_.batch) / seconds_per_step_;
  return s;
}

screen_options screen_options_of_process() {
  screen_options out;
  out.terminal = ::isatty(STDERR_FILENO) != 0;
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing writes the environment.
  const char* no_colour = std::getenv("NO_COLOR");
  out.colour = out.terminal && (no_colour == nullptr || *no_colour == '\0');
  winsize size{};
  if (out.terminal && ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
    out.width = size.ws_col;
  out.now = [] {
    const auto since = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration<double>(since).count();
  };
  out.write = [](const std::string& text) {
    std::fputs(text.c_str(), stderr);
    std::fflush(stderr);
  };
  return out;
}

} // namespace troupe::cli
