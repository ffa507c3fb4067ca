// Endpoints that nobody has.
#pragma once

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <string>

namespace troupe::test {

inline std::string fresh_inproc() {
  static std::atomic<int> next{0};
  return fmt::format("inproc://nodes-{}", next++);
}

// A port that was free a moment ago: tests may run beside others of themselves.
inline std::string fresh_tcp() {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  auto* const name = reinterpret_cast<sockaddr*>(&at);
  REQUIRE(::bind(socket, name, size) == 0);
  REQUIRE(::getsockname(socket, name, &size) == 0);
  ::close(socket);
  return fmt::format("tcp://127.0.0.1:{}", ntohs(at.sin_port));
}

} // namespace troupe::test
