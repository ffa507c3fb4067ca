#include "troupe/unix_socket.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace troupe {

namespace {

constexpr int waiting_connections = 16;

// An address holds about a hundred bytes, and a path may have more: the folder is opened, and the
// address names it by its descriptor.
struct short_address {
  owned_descriptor folder;
  sockaddr_un address{};
  bool fits = false;
};

short_address address_of(const std::string& path) {
  const auto slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  short_address out;
  out.folder = owned_descriptor(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (out.folder.get() < 0) return out;
  const auto brief = "/proc/self/fd/" + std::to_string(out.folder.get()) + "/" + name;
  out.address.sun_family = AF_UNIX;
  if (brief.size() >= sizeof out.address.sun_path) {
    errno = ENAMETOOLONG;
    return out;
  }
  std::memcpy(out.address.sun_path, brief.c_str(), brief.size() + 1);
  out.fits = true;
  return out;
}

template <class Use>
owned_descriptor socket_at(const std::string& path, const Use& use) {
  const auto at = address_of(path);
  if (!at.fits) return owned_descriptor();
  owned_descriptor out(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (out.get() >= 0 && use(out.get(), reinterpret_cast<const sockaddr*>(&at.address))) return out;
  const int problem = errno;
  out = owned_descriptor();
  errno = problem;
  return out;
}

} // namespace

owned_descriptor& owned_descriptor::operator=(owned_descriptor&& other) noexcept {
  std::swap(number_, other.number_);
  return *this;
}

owned_descriptor::~owned_descriptor() {
  if (number_ >= 0) ::close(number_);
}

// The mode is set before anybody could connect.
owned_descriptor listen_at(const std::string& path) {
  return socket_at(path, [](int s, const sockaddr* where) {
    return ::fchmod(s, S_IRUSR | S_IWUSR) == 0 && ::bind(s, where, sizeof(sockaddr_un)) == 0 &&
           ::listen(s, waiting_connections) == 0;
  });
}

owned_descriptor connect_to(const std::string& path) {
  return socket_at(path, [](int s, const sockaddr* where) {
    return ::connect(s, where, sizeof(sockaddr_un)) == 0;
  });
}

} // namespace troupe
