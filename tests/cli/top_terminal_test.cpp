// `troupe top` on a terminal of its own.
#include "cli/metrics.hpp"
#include "support/deadline.hpp"
#include "support/scratch_folder.hpp"

#include <doctest/doctest.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <string>

namespace troupe::cli {

namespace {

using namespace std::chrono_literals;
using test::scratch_folder;

constexpr const char *own_screen = "\x1b[?1049h", *former_screen = "\x1b[?1049l";

class on_terminal {
public:
  on_terminal(const std::string& folder, unsigned short columns, unsigned short lines) {
    const winsize size{.ws_row = lines, .ws_col = columns, .ws_xpixel = 0, .ws_ypixel = 0};
    process_ = ::forkpty(&terminal_, nullptr, nullptr, &size);
    if (process_ != 0) return;
    ::execl(TROUPE_PROGRAM, TROUPE_PROGRAM, "top", folder.c_str(), nullptr);
    ::_exit(127);
  }

  ~on_terminal() {
    ::close(terminal_);
    if (process_ <= 0) return;
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
  }

  on_terminal(const on_terminal&) = delete;
  on_terminal& operator=(const on_terminal&) = delete;

  // All that was shown until this was, or until it ended.
  const std::string& until(const std::string& text) {
    std::array<char, 4096> part{};
    while (shown_.find(text) == std::string::npos) {
      const auto size = ::read(terminal_, part.data(), part.size());
      if (size <= 0) break;
      shown_.append(part.data(), static_cast<std::size_t>(size));
    }
    return shown_;
  }

  void press(char key) const { REQUIRE(::write(terminal_, &key, 1) == 1); }

  void send(int signal) const { ::kill(process_, signal); }

  int exit_code() {
    int status = -1;
    ::waitpid(process_, &status, 0);
    process_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

private:
  int terminal_ = -1;
  pid_t process_ = -1;
  std::string shown_;
};

} // namespace

TEST_CASE("on a terminal top follows the run until q, Ctrl-C or SIGTERM, and gives it back") {
  const test::deadline end(60s, "top on a terminal");
  for (const int way : {int{'q'}, 3, -SIGTERM}) {
    const scratch_folder run;
    run.write("job.toml", "");
    on_terminal top(run.path(), 60, 6);
    CHECK(top.until("has not begun").find(own_screen) != std::string::npos);
    run.write("events.jsonl", json_line(start_facts{.model = "lenet", .batch = 1}) + "\n");
    CHECK(top.until("lenet on").find(former_screen) == std::string::npos);
    if (way < 0)
      top.send(-way);
    else
      top.press(static_cast<char>(way));
    CHECK(top.until(former_screen).ends_with(former_screen));
    CHECK(top.exit_code() == 0);
  }
}

} // namespace troupe::cli
