// A TCP proxy on this machine that does to its connections what networks do: cuts, resets,
// swallows, delays, throttles, stops reading, changes bytes. One thread; settings hold at once and
// for connections to come.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace troupe::test {

class fault_proxy {
public:
  using clock = std::chrono::steady_clock;

  explicit fault_proxy(std::uint16_t target) : target_(target), listener_(listen_somewhere()) {
    thread_ = std::thread([this] { loop(); });
  }

  // Of "tcp://127.0.0.1:5555".
  explicit fault_proxy(const std::string& endpoint)
      : fault_proxy(
            static_cast<std::uint16_t>(std::stoi(endpoint.substr(endpoint.rfind(':') + 1)))) {}

  fault_proxy(const fault_proxy&) = delete;
  fault_proxy& operator=(const fault_proxy&) = delete;

  ~fault_proxy() {
    over_ = true;
    thread_.join();
    for (auto& p : pairs_)
      p.close();
    ::close(listener_);
  }

  std::string endpoint() const { return "tcp://127.0.0.1:" + std::to_string(port_of(listener_)); }

  void retarget(std::uint16_t port) { target_ = port; }

  void cut() { cut_ = true; } // ends all connections

  void reset() { reset_ = true; } // likewise, without the last bytes

  void refuse(bool on) { refuse_ = on; }

  void swallow(bool to_target, bool from_target) {
    swallow_[0] = to_target;
    swallow_[1] = from_target;
  }

  void stop_reading(bool on) { stop_reading_ = on; }

  void corrupt(int bytes) { corrupt_ = bytes; } // so many of the next chunks have a changed byte

  void delay(std::chrono::milliseconds time) { delay_ms_ = static_cast<int>(time.count()); }

  void throttle(std::int64_t bytes_per_second) { rate_ = bytes_per_second; } // 0: not at all

  std::int64_t carried() const { return carried_; }

  int connections() const { return connections_; }

private:
  struct chunk {
    clock::time_point due;
    std::string bytes;
  };

  struct pair {
    int ends[2] = {-1, -1};      // who connected, the target
    std::deque<chunk> queued[2]; // to the target, from it
    bool over = false;

    void close() {
      for (int& end : ends)
        if (end >= 0) ::close(std::exchange(end, -1));
    }
  };

  static std::uint16_t port_of(int socket) {
    sockaddr_in at{};
    socklen_t size = sizeof at;
    ::getsockname(socket, reinterpret_cast<sockaddr*>(&at), &size);
    return ntohs(at.sin_port);
  }

  static sockaddr_in local(std::uint16_t port) {
    sockaddr_in out{};
    out.sin_family = AF_INET;
    out.sin_port = htons(port);
    out.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return out;
  }

  static int listen_somewhere() {
    const int out = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const sockaddr_in at = local(0);
    ::bind(out, reinterpret_cast<const sockaddr*>(&at), sizeof at);
    ::listen(out, 64);
    return out;
  }

  void loop() {
    while (!over_) {
      wait();
      accept_all();
      const bool reset = reset_.exchange(false), cut = cut_.exchange(false);
      for (auto& p : pairs_) {
        if (reset) forget_unsent(p);
        if (reset || cut) p.over = true;
        for (int way = 0; way < 2 && !p.over; ++way) {
          read(p, way);
          write(p, way);
        }
        if (p.over) p.close();
      }
      std::erase_if(pairs_, [](const pair& p) { return p.over; });
      connections_ = static_cast<int>(pairs_.size());
    }
  }

  void wait() {
    std::vector<pollfd> all{{listener_, POLLIN, 0}};
    bool timed = delay_ms_ > 0 || rate_ > 0;
    for (const auto& p : pairs_)
      for (int way = 0; way < 2; ++way) {
        timed = timed || !p.queued[way].empty();
        if (!stop_reading_) all.push_back({p.ends[way], POLLIN, 0});
      }
    ::poll(all.data(), all.size(), timed ? 1 : 5);
  }

  void accept_all() {
    for (;;) {
      const int from = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (from < 0) return;
      const int to = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      const sockaddr_in at = local(target_);
      if (refuse_ || ::connect(to, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0) {
        ::close(from);
        ::close(to);
        continue;
      }
      const int on = 1;
      for (const int end : {from, to})
        ::setsockopt(end, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      pairs_.emplace_back();
      pairs_.back().ends[0] = from;
      pairs_.back().ends[1] = to;
    }
  }

  static void forget_unsent(pair& p) {
    const linger now{1, 0};
    for (const int end : p.ends)
      ::setsockopt(end, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  }

  void read(pair& p, int way) {
    if (stop_reading_) return;
    std::string bytes(1 << 16, '\0');
    for (int times = 0; times < 16; ++times) {
      const auto got = ::recv(p.ends[way], bytes.data(), bytes.size(), MSG_DONTWAIT);
      if (got == 0) p.over = true;
      if (got <= 0) return;
      if (swallow_[way]) continue;
      std::string part = bytes.substr(0, static_cast<std::size_t>(got));
      if (corrupt_ > 0 && corrupt_-- > 0) part[part.size() / 2] ^= 0x20;
      p.queued[way].push_back({clock::now() + std::chrono::milliseconds(delay_ms_), part});
      if (p.queued[way].size() > 64) return;
    }
  }

  void write(pair& p, int way) {
    auto& queue = p.queued[way];
    while (!queue.empty() && queue.front().due <= clock::now()) {
      std::string& bytes = queue.front().bytes;
      const auto most = allowance(bytes.size());
      if (most == 0) return;
      const auto put = ::send(p.ends[1 - way], bytes.data(), most, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (put < 0) {
        p.over = p.over || (errno != EAGAIN && errno != EWOULDBLOCK);
        return;
      }
      carried_ += put;
      bytes.erase(0, static_cast<std::size_t>(put));
      if (bytes.empty()) queue.pop_front();
    }
  }

  // What the rate allows of so many bytes; of all connections together.
  std::size_t allowance(std::size_t wanted) {
    if (rate_ == 0) return wanted;
    const auto now = clock::now();
    const std::chrono::duration<double> since = now - counted_;
    counted_ = now;
    budget_ = std::min(budget_ + since.count() * static_cast<double>(rate_),
                       static_cast<double>(rate_) / 100);
    const auto out = std::min(wanted, static_cast<std::size_t>(std::max(0.0, budget_)));
    budget_ -= static_cast<double>(out);
    return out;
  }

  std::atomic<std::uint16_t> target_;
  int listener_;
  std::atomic<bool> over_{false}, cut_{false}, reset_{false}, refuse_{false}, stop_reading_{false};
  std::atomic<bool> swallow_[2] = {};
  std::atomic<int> corrupt_{0}, delay_ms_{0}, connections_{0};
  std::atomic<std::int64_t> rate_{0}, carried_{0};
  double budget_ = 0;
  clock::time_point counted_ = clock::now();
  std::vector<pair> pairs_; // of the thread
  std::thread thread_;
};

} // namespace troupe::test
