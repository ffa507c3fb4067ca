#include "cli/launch_folder.hpp"

#include "cli/mistakes.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <system_error>

namespace troupe::cli {

namespace fs = std::filesystem;

namespace {

constexpr const char* prefix = "troupe-launch-";
constexpr std::size_t path_max = 80; // a socket's path has at most 107 bytes

[[noreturn]] void throw_environment(const std::string& what, const std::string& help) {
  throw mistakes({.what = what,
                  .where = "the launch",
                  .why = std::generic_category().message(errno),
                  .help = help},
                 exit_environment);
}

// Where folders of launches are: the user's own place for such, else that of all.
fs::path base() {
  for (const char* name : {"XDG_RUNTIME_DIR", "TMPDIR"}) {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing writes the environment.
    const char* said = std::getenv(name);
    if (said != nullptr && *said == '/' && std::strlen(said) < path_max - 20 &&
        ::access(said, W_OK | X_OK) == 0)
      return said;
  }
  return "/tmp";
}

bool is_mine(const fs::path& folder) {
  struct stat about {};

  return ::lstat(folder.c_str(), &about) == 0 && S_ISDIR(about.st_mode) &&
         about.st_uid == ::geteuid();
}

// Who lives holds the lock; a folder without one is being made.
void remove_left_over(const fs::path& where) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(where, ignored)) {
    const fs::path& folder = entry.path();
    if (folder.filename().string().rfind(prefix, 0) != 0 || !is_mine(folder)) continue;
    const int lock = ::open((folder / "lock").c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (lock < 0) continue;
    if (::flock(lock, LOCK_EX | LOCK_NB) == 0) fs::remove_all(folder, ignored);
    ::close(lock);
  }
}

} // namespace

launch_folder::launch_folder() {
  const fs::path where = base();
  remove_left_over(where);
  std::string pattern = (where / fmt::format("{}XXXXXX", prefix)).string();
  if (::mkdtemp(pattern.data()) == nullptr)
    throw_environment(fmt::format("cannot make a folder in {}", where.string()),
                      "export TMPDIR to a folder that you may write");
  path_ = pattern;
  // Locked before it has its name: nobody finds it unlocked.
  const std::string made = path_ + "/making", lock = path_ + "/lock";
  lock_ = ::open(made.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (lock_ < 0 || ::flock(lock_, LOCK_EX) != 0 || ::rename(made.c_str(), lock.c_str()) != 0)
    throw_environment(fmt::format("cannot lock {}", path_), "export TMPDIR to a local folder");
}

launch_folder::~launch_folder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
  ::close(lock_);
}

std::string launch_folder::name() const {
  return fs::path(path_).filename().string();
}

loopback_port::loopback_port() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  const int yes = 1;
  // NOLINTBEGIN(cppcoreguidelines-pro-type-reinterpret-cast)
  auto* address = reinterpret_cast<sockaddr*>(&at);
  // NOLINTEND(cppcoreguidelines-pro-type-reinterpret-cast)
  if (::setsockopt(socket_, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
      ::bind(socket_, address, size) != 0 || ::getsockname(socket_, address, &size) != 0)
    throw_environment("cannot get a port of this machine", "--over ipc needs none");
  port_ = ntohs(at.sin_port);
}

loopback_port::~loopback_port() {
  ::close(socket_);
}

std::string loopback_port::endpoint() const {
  return fmt::format("tcp://127.0.0.1:{}", port_);
}

} // namespace troupe::cli
