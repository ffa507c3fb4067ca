// Plain TCP connections that do to a node what strangers do. Each function is one visit.
#pragma once

#include "ops/random.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <utility>

namespace troupe::test {

class hostile_peer {
public:
  // Of "tcp://127.0.0.1:5555".
  explicit hostile_peer(const std::string& endpoint)
      : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port =
        htons(static_cast<std::uint16_t>(std::stoi(endpoint.substr(endpoint.rfind(':') + 1))));
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(socket_, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0;
  }

  hostile_peer(hostile_peer&& other) noexcept
      : socket_(std::exchange(other.socket_, -1)), connected_(other.connected_) {}

  hostile_peer& operator=(hostile_peer&&) = delete;

  ~hostile_peer() {
    if (socket_ >= 0) ::close(socket_);
  }

  [[nodiscard]] bool connected() const { return connected_; }

  // False: the other side ended it, or reads no more.
  bool say(const std::string& bytes) const {
    return ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT) ==
           static_cast<ssize_t>(bytes.size());
  }

  // Whether the other side ends the connection within a time.
  [[nodiscard]] bool ends_within(int seconds) const {
    const timeval patience{seconds, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    char bytes[4096];
    ssize_t got = 0;
    while ((got = ::recv(socket_, bytes, sizeof bytes, 0)) > 0) {
    }
    return got == 0 || errno == ECONNRESET;
  }

  // A last word that does not wait for an answer: the port scanner's.
  void reset() const {
    const linger now{1, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  }

private:
  int socket_;
  bool connected_ = false;
};

inline std::string random_bytes(random_stream& draw, std::size_t size) {
  std::string out(size, '\0');
  for (char& c : out)
    c = static_cast<char>(draw.next());
  return out;
}

// ZMTP 3.1 (RFC 23): who speaks it so far is let in by a node without keys.
inline std::string zmtp_greeting(const std::string& mechanism) {
  std::string out = "\xFF" + std::string(8, '\0') + "\x7F" + "\x03\x01" + mechanism;
  out.resize(64, '\0');
  return out;
}

inline std::string zmtp_ready() {
  std::string out("\x05READY\x0BSocket-Type\0\0\0\x06"
                  "DEALER",
                  28);
  return std::string("\x04") + static_cast<char>(out.size()) + out;
}

inline std::string zmtp_message(const std::string& part, bool more = false) {
  std::string out(1, static_cast<char>((more ? 1 : 0) | 2));
  for (int shift = 56; shift >= 0; shift -= 8)
    out += static_cast<char>(part.size() >> shift);
  return out + part;
}

// Of a message that never comes.
inline std::string zmtp_length(std::uint64_t size) {
  std::string out("\x02");
  for (int shift = 56; shift >= 0; shift -= 8)
    out += static_cast<char>(size >> shift);
  return out;
}

} // namespace troupe::test
