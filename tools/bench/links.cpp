// What links between nodes cost: small parcels a second, round trips, large parcels, over ipc, tcp
// and encrypted tcp, each in turn with bare ZeroMQ doing the same; beside them a copy of memory and
// plain TCP. Then what nodes cost that say nothing, and how soon a killed process is down. One JSON
// object a line on stdout, a table on stderr.
//
//   bench_links [SCALE [ROUNDS]]
#include "bench/bare_zeromq.hpp"
#include "net/zeromq/curve.hpp"
#include "net/zeromq/node.hpp"
#include "ops/tensor.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
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
constexpr int large_count = 300;

double seconds_since(clock_type::time_point start) {
  return std::chrono::duration<double>(clock_type::now() - start).count();
}

// Counts what comes, and lets somebody wait for it.
class gate {
public:
  void pass() {
    {
      const std::lock_guard lock(mutex_);
      ++count_;
    }
    changed_.notify_all();
  }

  void wait(std::uint64_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return count_ >= count; });
  }

  std::uint64_t count() {
    const std::lock_guard lock(mutex_);
    return count_;
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

  two_nodes(const std::string& where, bool encrypted, bool checked, bool lends) {
    node_options a{.number = 0, .listen = {where}}, b{.number = 1};
    a.check_payloads = b.check_payloads = checked;
    a.shares_memory = b.shares_memory = lends;
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

// Waits while node one has too much to send.
template <class Make>
void put(two_nodes& n, lane_kind lane, Make make) {
  for (;;) {
    const auto relieved = n.relieved.count();
    if (n.one->send(n.zero_life, lane, make()) == sent::taken) return;
    n.relieved.wait(relieved + 1);
  }
}

double small_rate(two_nodes& n, int count) {
  const auto before = n.at_zero.count();
  const auto start = clock_type::now();
  for (int i = 0; i < count; ++i)
    put(n, lane_kind::small, [] {
      parcel p;
      p.body.resize(64);
      return p;
    });
  n.at_zero.wait(before + static_cast<std::uint64_t>(count));
  return count / seconds_since(start);
}

std::vector<double> round_trips(two_nodes& n, int count) {
  std::vector<double> out;
  const auto before = n.at_one.count();
  n.echoes = true;
  for (int i = 0; i < count; ++i) {
    parcel p;
    p.body.resize(64);
    const auto start = clock_type::now();
    n.one->send(n.zero_life, lane_kind::small, std::move(p));
    n.at_one.wait(before + static_cast<std::uint64_t>(i) + 1);
    out.push_back(seconds_since(start) * 1e6);
  }
  n.echoes = false;
  std::sort(out.begin(), out.end());
  return out;
}

double large_rate(two_nodes& n, int count) {
  const auto before = n.at_zero.count();
  auto made = troupe::buffer_pool::global().take({large_bytes / sizeof(float)});
  std::fill_n(made.data(), made.elements(), 1.0F);
  const auto kept = std::make_shared<const troupe::tensor>(std::move(made).freeze());
  const auto start = clock_type::now();
  for (int i = 0; i < count; ++i)
    put(n, lane_kind::bulk, [&] {
      parcel p;
      p.body.resize(16);
      p.payloads.push_back({kept, std::as_bytes(kept->values())});
      return p;
    });
  n.at_zero.wait(before + static_cast<std::uint64_t>(count));
  return count * static_cast<double>(large_bytes) / seconds_since(start) / 1e9;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

struct transport {
  std::string name, where;
  bool encrypted = false, checked = true, lends = false;
};

struct samples {
  std::vector<double> messages, p50_us, p99_us, gigabytes;

  void add(double rate, const std::vector<double>& trips, double large) {
    messages.push_back(rate);
    p50_us.push_back(trips[trips.size() / 2]);
    p99_us.push_back(trips[trips.size() * 99 / 100]);
    gigabytes.push_back(large);
  }

  [[nodiscard]] figures medians(const std::string& what) const {
    return {what, median(messages), median(p50_us), median(p99_us), median(gigabytes)};
  }
};

void add_ours(samples& to, const transport& t, int scale) {
  two_nodes n(t.where, t.encrypted, t.checked, t.lends);
  (void)round_trips(n, 50); // warm
  const double rate = small_rate(n, 50000 * scale);
  const auto trips = round_trips(n, 1000 * scale);
  (void)large_rate(n, 50);
  to.add(rate, trips, large_rate(n, large_count * scale));
}

void add_bare(samples& to, const transport& t, int scale) {
  const troupe::bench::bare_connection how{t.where, t.encrypted};
  const double rate = troupe::bench::bare_messages_per_second(how, 64, 200000 * scale);
  const auto trips = troupe::bench::bare_round_trips(how, 64, 1000 * scale);
  to.add(
      rate, trips, troupe::bench::bare_gigabytes_per_second(how, large_bytes, large_count * scale));
}

struct comparison {
  figures ours, bare, ratio;
};

std::vector<double> ratios(const std::vector<double>& of, const std::vector<double>& to) {
  std::vector<double> out;
  for (std::size_t i = 0; i < of.size(); ++i)
    out.push_back(of[i] / to[i]);
  return out;
}

// In turn, so that what else the machine does meets both; the ratio is the median of the rounds'.
comparison measure(const transport& t, int scale, int rounds) {
  samples ours, bare;
  for (int i = 0; i < rounds; ++i) {
    add_ours(ours, t, scale);
    add_bare(bare, t, scale);
  }
  return {ours.medians(t.name),
          bare.medians("  bare ZeroMQ"),
          {"  ratio",
           median(ratios(ours.messages, bare.messages)),
           median(ratios(ours.p50_us, bare.p50_us)),
           median(ratios(ours.p99_us, bare.p99_us)),
           median(ratios(ours.gigabytes, bare.gigabytes))}};
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
             "{:<20}{:>14}{:>12}{:>12}{:>14}\n",
             f.what,
             shown(f.messages, 0, "-"),
             shown(f.p50_us, 0, "-"),
             shown(f.p99_us, 0, "-"),
             shown(f.gigabytes, 2, "-"));
}

void compare(const transport& t, int scale, int rounds) {
  const auto [ours, bare, ratio] = measure(t, scale, rounds);
  print(ours);
  print(bare);
  fmt::print(
      R"({{"ratio_to_bare":"{}","messages":{:.2f},"round_trip_p50":{:.2f},"gigabytes":{:.2f}}})"
      "\n",
      t.name,
      ratio.messages,
      ratio.p50_us,
      ratio.gigabytes);
  fmt::print(stderr,
             "{:<20}{:>13.2f}x{:>11.2f}x{:>11.2f}x{:>13.2f}x\n",
             ratio.what,
             ratio.messages,
             ratio.p50_us,
             ratio.p99_us,
             ratio.gigabytes);
}

double processor_ms() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto ms = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_usec) / 1e3;
  };
  return ms(used.ru_utime) + ms(used.ru_stime);
}

// Nodes that are all linked to each other, and say nothing.
void measure_idle(int count) {
  gate up;
  std::vector<std::unique_ptr<node>> all;
  const node_callbacks counted{.on_up = [&](const peer&) { up.pass(); }};
  for (int i = 0; i < count; ++i) {
    node_options o{.number = static_cast<std::uint32_t>(i), .listen = {"tcp://127.0.0.1:*"}};
    if (i > 0) o.dial = {{all[0]->endpoints()[0], ""}};
    all.push_back(std::make_unique<node>(o, counted));
  }
  up.wait(static_cast<std::uint64_t>(count * (count - 1)));
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  const double before = processor_ms();
  const auto start = clock_type::now();
  std::this_thread::sleep_for(std::chrono::seconds(3));
  const double cost = (processor_ms() - before) / seconds_since(start);
  fmt::print("{{\"idle_nodes\":{},\"processor_ms_per_second\":{:.2f}}}\n", count, cost);
  fmt::print(stderr, "{} idle nodes, all linked: {:.1f} ms of processor a second\n", count, cost);
}

// From the end of a process to the word of it. REQUIRES: this process has one thread.
double milliseconds_to_down(const std::string& where) {
  int ends[2] = {};
  if (::pipe(ends) != 0) return 0;
  const pid_t child = ::fork();
  if (child == 0) {
    char c = 0;
    (void)!::read(ends[0], &c, 1); // the other node listens
    node dialler({.number = 1, .dial = {{where, ""}}}, {});
    for (;;)
      ::pause();
  }
  gate up, down;
  const node here({.number = 0, .listen = {where}},
                  {.on_up = [&](const peer&) { up.pass(); },
                   .on_down = [&](const peer_down&) { down.pass(); }});
  (void)!::write(ends[1], "x", 1);
  up.wait(1);
  const auto start = clock_type::now();
  ::kill(child, SIGKILL);
  down.wait(1);
  const double out = seconds_since(start) * 1e3;
  ::waitpid(child, nullptr, 0);
  ::close(ends[0]);
  ::close(ends[1]);
  return out;
}

void measure_down(const transport& t) {
  std::vector<double> times;
  for (int i = 0; i < 9; ++i)
    times.push_back(milliseconds_to_down(t.where));
  const double most = *std::max_element(times.begin(), times.end());
  fmt::print("{{\"killed_over\":\"{}\",\"down_ms_median\":{:.2f},\"down_ms_most\":{:.2f}}}\n",
             t.name,
             median(times),
             most);
  fmt::print(stderr,
             "killed over {}: down after {:.1f} ms, at most {:.1f}\n",
             t.name,
             median(times),
             most);
}

} // namespace

int main(int count, char** words) {
  const int scale = count > 1 ? std::max(1, std::atoi(words[1])) : 1;
  const int rounds = count > 2 ? std::max(1, std::atoi(words[2])) : 5;
  const auto file = std::filesystem::temp_directory_path() /
                    fmt::format("troupe-links-{}", static_cast<int>(::getpid()));
  const transport ipc{"ipc", "ipc://" + file.string()}, tcp{"tcp", "tcp://127.0.0.1:*"};
  measure_down(ipc); // forks: before any thread
  measure_down({"tcp", "tcp://127.0.0.1:29517"});
  measure_idle(8);
  fmt::print(stderr,
             "{:<20}{:>14}{:>12}{:>12}{:>14}\n",
             "",
             "64-byte/s",
             "trip us",
             "p99 us",
             "GB/s of 4 MB");
  compare(ipc, scale, rounds);
  compare(tcp, scale, rounds);
  compare({"tcp unchecked", tcp.where, false, false}, scale, rounds);
  compare({"tcp+curve", tcp.where, true}, scale, rounds);
  compare({.name = "ipc, lent", .where = ipc.where, .lends = true}, scale, rounds);
  print(measure_plain_tcp(scale));
  print(measure_copy(scale));
  return 0;
}
