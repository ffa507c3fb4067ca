#include "cli/watching_terminal.hpp"

#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>

namespace troupe::cli {

namespace {

constexpr const char *own_screen = "\x1b[?1049h\x1b[?25l", *former_screen = "\x1b[?25h\x1b[?1049l";
constexpr const char *home = "\x1b[H", *clear_line = "\x1b[K", *clear_below = "\x1b[J";
constexpr char interrupt_key = 3;

void write_now(const std::string& text) {
  std::fputs(text.c_str(), stdout);
  std::fflush(stdout);
}

} // namespace

watching_terminal::watching_terminal() {
  reads_ = ::isatty(STDIN_FILENO) != 0 && ::tcgetattr(STDIN_FILENO, &before_) == 0;
  if (reads_) {
    termios raw = before_;
    raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO | ISIG);
    ::tcsetattr(STDIN_FILENO, TCSANOW, &raw);
  }
  write_now(own_screen);
}

watching_terminal::~watching_terminal() {
  write_now(former_screen);
  if (reads_) ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
}

void watching_terminal::show(const std::vector<std::string>& lines) {
  std::string out = home;
  for (std::size_t i = 0; i < lines.size(); ++i)
    out += (i > 0 ? "\n" : "") + lines[i] + clear_line;
  write_now(out + clear_below);
}

bool watching_terminal::wants_to_end(int milliseconds) const {
  pollfd keys{.fd = reads_ ? STDIN_FILENO : -1, .events = POLLIN, .revents = 0};
  if (::poll(&keys, 1, milliseconds) <= 0) return false;
  char key = 0;
  return ::read(STDIN_FILENO, &key, 1) <= 0 || key == 'q' || key == 'Q' || key == interrupt_key;
}

watching_terminal::size watching_terminal::size_now() {
  winsize now{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &now) != 0 || now.ws_col == 0 || now.ws_row == 0)
    return {};
  return {now.ws_col, now.ws_row};
}

} // namespace troupe::cli
