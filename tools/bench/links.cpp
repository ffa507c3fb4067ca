// What links between nodes cost: small parcels a second, round trips, large parcels, over ipc, tcp
// and encrypted tcp; beside them a copy of memory and plain TCP on this machine, which no link can
// beat. One JSON object a line on stdout, a table on stderr.
#include "net/zeromq/curve.hpp"
#include "net/zeromq/node.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace troupe::net;
using clock_type = std::chrono::steady_clock;

constexpr std::size_t large_bytes = std::size_t{4} << 20;

double seconds_since(clock_type::time_point start) {
  return std::chrono::duration<double>(clock_type::now() - start).count();
}

// Counts what comes, and lets somebody wait for it.
class gate {
public:
  void pass() {
    const std::lock_guard lock(mutex_);
    ++count_;
    changed_.notify_all();
  }

  void wait(std::uint64_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return count_ >= count; });
  }

private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t count_ = 0;
};

struct two_nodes {
  gate up, at_zero, at_one, relieved;
  std::atomic<bool> echoes{false};
  node_life zero_life, one_life;
  std::unique_ptr<node> zero, one;

  two_nodes(const std::string& where, bool encrypted) {
    node_options a{.number = 0, .listen = {where}}, b{.number = 1};
    if (encrypted) {
      a.keys = make_key_pair("zero");
      b.keys = make_key_pair("one");
      for (auto* o : {&a, &b}) {
        o->trust.allow({"zero", a.keys->public_key, {{0, 0}}});
        o->trust.allow({"one", b.keys->public_key, {{1, 1}}});
      }
    }
    zero = std::make_unique<node>(a,
                                  node_callbacks{.on_parcel =
                                                     [this](const node_life& from, parcel p) {
                                                       at_zero.pass();
                                                       if (echoes)
                                                         zero->send(
                                                             from, lane_kind::small, std::move(p));
                                                     },
                                                 .on_up =
                                                     [this](const peer& p) {
                                                       one_life = p.who;
                                                       up.pass();
                                                     }});
    b.dial = {{zero->endpoints()[0], encrypted ? a.keys->public_key : ""}};
    one = std::make_unique<node>(
        b,
        node_callbacks{.on_parcel = [this](const node_life&, const parcel&) { at_one.pass(); },
                       .on_up =
                           [this](const peer& p) {
                             zero_life = p.who;
                             up.pass();
                           },
                       .on_relieved = [this](const node_life&) { relieved.pass(); }});
    up.wait(2);
  }

  ~two_nodes() {
    one->stop(std::chrono::seconds(5));
    zero->stop(std::chrono::seconds(5));
  }
};

struct figures {
  std::string what;
  double messages = 0, p50_us = 0, p99_us = 0, gigabytes = 0; // 0: not measured
};

double small_rate(two_nodes& n, int count) {
  const auto start = clock_type::now();
  for (int i = 0; i < count;) {
    parcel p;
    p.body.resize(64);
    if (n.one->send(n.zero_life, lane_kind::small, std::move(p)) == sent::taken)
      ++i;
    else
      std::this_thread::yield();
  }
  n.at_zero.wait(static_cast<std::uint64_t>(count));
  return count / seconds_since(start);
}

std::vector<double> round_trips(two_nodes& n, int count) {
  std::vector<double> out;
  n.echoes = true;
  for (int i = 0; i < count; ++i) {
    parcel p;
    p.body.resize(64);
    const auto start = clock_type::now();
    n.one->send(n.zero_life, lane_kind::small, std::move(p));
    n.at_one.wait(static_cast<std::uint64_t>(i) + 1);
    out.push_back(seconds_since(start) * 1e6);
  }
  n.echoes = false;
  std::sort(out.begin(), out.end());
  return out;
}

double large_rate(two_nodes& n, int count, std::uint64_t before) {
  const auto bytes = std::make_shared<std::vector<std::byte>>(large_bytes);
  const auto start = clock_type::now();
  for (int i = 0; i < count;) {
    parcel p;
    p.body.resize(16);
    p.payloads.push_back({bytes, *bytes});
    if (n.one->send(n.zero_life, lane_kind::bulk, std::move(p)) == sent::taken)
      ++i;
    else
      std::this_thread::yield();
  }
  n.at_zero.wait(before + static_cast<std::uint64_t>(count));
  return count * static_cast<double>(large_bytes) / seconds_since(start) / 1e9;
}

figures measure(const std::string& what, const std::string& where, bool encrypted, int scale) {
  figures out{.what = what};
  two_nodes n(where, encrypted);
  const int small = 50000 * scale, trips = 1000 * scale, large = 100 * scale;
  out.messages = small_rate(n, small);
  const auto times = round_trips(n, trips);
  out.p50_us = times[times.size() / 2];
  out.p99_us = times[times.size() * 99 / 100];
  out.gigabytes = large_rate(n, large, static_cast<std::uint64_t>(small) + times.size());
  return out;
}

figures measure_copy(int scale) {
  std::vector<char> from(large_bytes * 16, 'a'), to(large_bytes * 16);
  const auto start = clock_type::now();
  const int count = 100 * scale;
  for (int i = 0; i < count; ++i) {
    const std::size_t at = static_cast<std::size_t>(i % 16) * large_bytes;
    std::memcpy(to.data() + at, from.data() + at, large_bytes);
  }
  return {.what = "memcpy", .gigabytes = count * double(large_bytes) / seconds_since(start) / 1e9};
}

// One thread writes, this one reads.
figures measure_plain_tcp(int scale) {
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0), to = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  if (::bind(listener, reinterpret_cast<sockaddr*>(&at), size) != 0 || ::listen(listener, 1) != 0 ||
      ::getsockname(listener, reinterpret_cast<sockaddr*>(&at), &size) != 0 ||
      ::connect(to, reinterpret_cast<sockaddr*>(&at), size) != 0)
    return {.what = "plain tcp"};
  const int from = ::accept(listener, nullptr, nullptr);
  const std::size_t total = static_cast<std::size_t>(100 * scale) * large_bytes;
  const auto start = clock_type::now();
  std::thread writer([&] {
    const std::vector<char> bytes(large_bytes, 'a');
    for (std::size_t done = 0; done < total;) {
      const auto put = ::send(to, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (put <= 0) return;
      done += static_cast<std::size_t>(put);
    }
    ::shutdown(to, SHUT_WR);
  });
  std::vector<char> bytes(large_bytes);
  std::size_t got = 0;
  for (ssize_t part = 1; part > 0 && got < total;) {
    part = ::recv(from, bytes.data(), bytes.size(), 0);
    got += part > 0 ? static_cast<std::size_t>(part) : 0;
  }
  const double time = seconds_since(start);
  writer.join();
  for (const int socket : {listener, to, from})
    ::close(socket);
  return {.what = "plain tcp", .gigabytes = static_cast<double>(got) / time / 1e9};
}

std::string shown(double number, int digits, const char* otherwise) {
  return number > 0 ? fmt::format("{:.{}f}", number, digits) : otherwise;
}

void print(const figures& f) {
  fmt::print(R"({{"links":"{}","messages_per_second":{},"round_trip_p50_us":{},)"
             R"("round_trip_p99_us":{},"gigabytes_per_second":{}}})"
             "\n",
             f.what,
             shown(f.messages, 0, "null"),
             shown(f.p50_us, 1, "null"),
             shown(f.p99_us, 1, "null"),
             shown(f.gigabytes, 3, "null"));
  std::fflush(stdout);
  fmt::print(stderr,
             "{:<12}{:>14}{:>12}{:>12}{:>14}\n",
             f.what,
             shown(f.messages, 0, "-"),
             shown(f.p50_us, 0, "-"),
             shown(f.p99_us, 0, "-"),
             shown(f.gigabytes, 2, "-"));
}

} // namespace

int main(int count, char** words) {
  const int scale = count > 1 ? std::max(1, std::atoi(words[1])) : 1;
  fmt::print(stderr,
             "{:<12}{:>14}{:>12}{:>12}{:>14}\n",
             "",
             "64-byte/s",
             "trip us",
             "p99 us",
             "GB/s of 4 MB");
  const auto file = std::filesystem::temp_directory_path() /
                    fmt::format("troupe-links-{}", static_cast<int>(::getpid()));
  print(measure("inproc", "inproc://links", false, scale));
  print(measure("ipc", "ipc://" + file.string(), false, scale));
  print(measure("tcp", "tcp://127.0.0.1:*", false, scale));
  print(measure("tcp+curve", "tcp://127.0.0.1:*", true, scale));
  print(measure_plain_tcp(scale));
  print(measure_copy(scale));
  return 0;
}
