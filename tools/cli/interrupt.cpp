#include "cli/interrupt.hpp"

#include "cli/mistakes.hpp"

#include <unistd.h>

#include <csignal>
#include <utility>

namespace troupe::cli {

namespace {

constexpr long poll_nanoseconds = 50'000'000;

sigset_t watched_signals() {
  sigset_t out;
  sigemptyset(&out);
  sigaddset(&out, SIGINT);
  sigaddset(&out, SIGTERM);
  return out;
}

} // namespace

interrupt_watch::interrupt_watch() {
  const sigset_t watched = watched_signals();
  pthread_sigmask(SIG_BLOCK, &watched, nullptr);
  thread_ = std::thread([this] { wait(); });
}

interrupt_watch::~interrupt_watch() {
  ending_ = true;
  thread_.join();
  const sigset_t watched = watched_signals();
  pthread_sigmask(SIG_UNBLOCK, &watched, nullptr);
}

void interrupt_watch::on_first(std::function<void()> listener) {
  const std::lock_guard hold(mutex_);
  listener_ = std::move(listener);
}

void interrupt_watch::wait() {
  const sigset_t watched = watched_signals();
  while (!ending_) {
    const timespec patience{.tv_sec = 0, .tv_nsec = poll_nanoseconds};
    if (sigtimedwait(&watched, nullptr, &patience) < 0) continue;
    const std::lock_guard hold(mutex_);
    if (++count_ > 1 || !listener_) ::_exit(exit_interrupted);
    listener_();
  }
}

} // namespace troupe::cli
