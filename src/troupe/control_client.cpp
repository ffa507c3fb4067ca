#include "ops/error.hpp"
#include "troupe/control_line.hpp"
#include "troupe/control_server.hpp"
#include "troupe/unix_socket.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <cstring>

namespace troupe {

namespace {

using clock = std::chrono::steady_clock;

constexpr std::chrono::seconds answered_within{5};
constexpr std::size_t answer_bytes_max = std::size_t{64} << 20U;

[[noreturn]] void throw_silent(const std::string& path, const std::string& why) {
  throw error({.what = "the run does not answer",
               .where = path,
               .why = why,
               .help = "look whether its process is stopped (SIGCONT lets it go on)",
               .kind = error_kind::environment});
}

// A run that is over has none, or one that nobody listens at.
owned_descriptor connected_to(const std::string& path) {
  auto out = connect_to(path);
  if (out.get() >= 0) return out;
  const int problem = errno;
  if (problem == EAGAIN) throw_silent(path, "others wait there, too");
  const bool none = problem == ENOENT || problem == ENOTDIR;
  const bool left = problem == ECONNREFUSED;
  throw error(
      {.what = none || left ? "the run is not going on here" : "cannot ask the run",
       .where = path,
       .why = none   ? "it has no control socket"
              : left ? "its process is gone, and has left the socket behind"
                     : std::strerror(problem), // NOLINT(concurrency-mt-unsafe): constant in glibc
       .help = "only a run that trains now answers, on the machine and to the user of its node 0",
       .kind = error_kind::request});
}

// False: not in time.
bool is_ready(int connection, short for_what, clock::time_point until) {
  pollfd one{connection, for_what, 0};
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - clock::now());
  return left.count() > 0 && ::poll(&one, 1, static_cast<int>(left.count())) > 0;
}

} // namespace

std::string ask_run(const std::string& path, const control_arguments& request) {
  const auto connection = connected_to(path);
  const auto until = clock::now() + answered_within;
  const auto line = request_line(request);
  for (std::size_t said = 0; said < line.size();) {
    if (!is_ready(connection.get(), POLLOUT, until)) throw_silent(path, "it does not listen");
    const auto count =
        ::send(connection.get(), line.data() + said, line.size() - said, MSG_NOSIGNAL);
    if (count < 0 && errno != EAGAIN) throw_silent(path, "it has hung up");
    if (count > 0) said += static_cast<std::size_t>(count);
  }
  std::string heard;
  for (auto end = std::string::npos; end == std::string::npos;) {
    if (!is_ready(connection.get(), POLLIN, until)) throw_silent(path, "not within 5 s");
    char buffer[65536];
    const auto count = ::recv(connection.get(), buffer, sizeof buffer, 0);
    if (count == 0) throw_silent(path, "it has hung up");
    if (count < 0) continue;
    heard.append(buffer, static_cast<std::size_t>(count));
    end = heard.find('\n', heard.size() - static_cast<std::size_t>(count));
    if (heard.size() > answer_bytes_max) throw_silent(path, "it says more than anybody can read");
  }
  return parse_answer(heard.substr(0, heard.find('\n')));
}

} // namespace troupe
