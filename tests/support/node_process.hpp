// A node in a process of its own, to be stopped and killed as processes are.
#pragma once

#include "support/live_node.hpp"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <string>

namespace troupe::test {

class node_process {
public:
  // The process dials what meet() says, and says there where it listens itself.
  // REQUIRES: this process has one thread.
  explicit node_process(const net::node_options& options) {
    if (::pipe(to_.data()) != 0 || ::pipe(from_.data()) != 0) return;
    pid_ = ::fork();
    if (pid_ == 0) play(options);
  }

  node_process(const node_process&) = delete;
  node_process& operator=(const node_process&) = delete;

  ~node_process() {
    signal(SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    for (const int end : {to_[0], to_[1], from_[0], from_[1]})
      ::close(end);
  }

  // `where`: "" dials nobody.
  std::string meet(const std::string& where) {
    write_line(to_[1], where);
    return read_line(from_[0]);
  }

  void signal(int number) const { ::kill(pid_, number); }

private:
  static void write_line(int to, std::string text) {
    text += '\n';
    (void)!::write(to, text.data(), text.size());
  }

  static std::string read_line(int from) {
    std::string out;
    for (char c = 0; ::read(from, &c, 1) == 1 && c != '\n';)
      out += c;
    return out;
  }

  [[noreturn]] void play(net::node_options options) const {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const std::string where = read_line(to_[0]);
    if (!where.empty()) options.dial = {{where, ""}};
    live_node here(options);
    write_line(from_[1], options.listen.empty() ? "" : here.endpoint());
    for (;;)
      ::pause();
  }

  std::array<int, 2> to_{}, from_{};
  pid_t pid_ = -1;
};

} // namespace troupe::test
