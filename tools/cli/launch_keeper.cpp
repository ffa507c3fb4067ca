#include "cli/launch_keeper.hpp"

#include "cli/mistakes.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <set>
#include <system_error>

namespace troupe::cli {

namespace {

// A copy of this process holds its files: whoever waits for their end would wait for the keeper.
void let_go_of_files(int kept) {
  const int nothing = ::open("/dev/null", O_RDWR);
  for (int standard = 0; standard < 3; ++standard)
    ::dup2(nothing, standard);
  ::close(nothing);
  if (kept != 3) ::dup2(kept, 3);
  ::close_range(4, ~0U, 0);
}

[[noreturn]] void keep(int line, const std::string& folder) {
  ::setsid();
  ::prctl(PR_SET_NAME, "troupe-keeper");
  for (const int s : {SIGINT, SIGTERM, SIGHUP})
    std::signal(s, SIG_IGN); // NOLINT(cert-err33-c)
  let_go_of_files(line);
  std::set<pid_t> groups;
  pid_t said = 0;
  for (ssize_t n = 0; (n = ::read(3, &said, sizeof said)) != 0;) {
    if (n < 0 && errno != EINTR) break;
    if (n != sizeof said) continue;
    if (said > 0)
      groups.insert(said);
    else
      groups.erase(-said);
  }
  for (const pid_t group : groups)
    ::kill(-group, SIGKILL);
  std::error_code ignored;
  if (!folder.empty()) std::filesystem::remove_all(folder, ignored);
  ::_exit(exit_done);
}

} // namespace

launch_keeper::launch_keeper(const std::string& folder) {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0 ||
      (keeper_ = ::fork()) < 0)
    throw mistakes({.what = "cannot start another process",
                    .where = "the launch",
                    .why = std::generic_category().message(errno),
                    .help = "ulimit -u says how many processes you may have"},
                   exit_environment);
  if (keeper_ == 0) {
    ::close(ends[1]);
    keep(ends[0], folder);
  }
  ::close(ends[0]);
  line_ = ends[1];
}

launch_keeper::~launch_keeper() {
  ::close(line_);
  ::waitpid(keeper_, nullptr, 0);
}

void launch_keeper::ended(pid_t group) const {
  tell_keeper(line_, -group);
}

void tell_keeper(int line, pid_t group) {
  while (line >= 0 && ::send(line, &group, sizeof group, MSG_NOSIGNAL) < 0 && errno == EINTR) {
  }
}

} // namespace troupe::cli
