#include "bench/bare_zeromq.hpp"

#include <zmq.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <thread>

namespace troupe::bench {

namespace {

using clock_type = std::chrono::steady_clock;

constexpr int messages_under_way = 4; // at each end, of the large ones: together a link's window

double seconds_since(clock_type::time_point start) {
  return std::chrono::duration<double>(clock_type::now() - start).count();
}

// Each end has a context of its own, as two processes have.
struct two_sockets {
  zmq::context_t here{1}, there{1};
  zmq::socket_t from{here, zmq::socket_type::dealer}, to{there, zmq::socket_type::dealer};

  two_sockets(const bare_connection& how, int under_way) {
    from.set(zmq::sockopt::sndhwm, under_way);
    to.set(zmq::sockopt::rcvhwm, under_way);
    for (auto* s : {&from, &to})
      s->set(zmq::sockopt::linger, 0);
    if (how.encrypted) encrypt();
    to.bind(how.where);
    from.connect(to.get(zmq::sockopt::last_endpoint));
    from.send(zmq::str_buffer("hello"));
    zmq::message_t hello;
    (void)to.recv(hello);
  }

  void encrypt() {
    std::array<char, 41> open{}, hidden{};
    zmq_curve_keypair(open.data(), hidden.data());
    to.set(zmq::sockopt::curve_server, true);
    to.set(zmq::sockopt::curve_secretkey, hidden.data());
    from.set(zmq::sockopt::curve_serverkey, open.data());
    zmq_curve_keypair(open.data(), hidden.data());
    from.set(zmq::sockopt::curve_publickey, open.data());
    from.set(zmq::sockopt::curve_secretkey, hidden.data());
  }
};

template <class Make>
double seconds_for(two_sockets& s, int count, Make make) {
  const auto start = clock_type::now();
  std::thread sender([&] {
    for (int i = 0; i < count; ++i) {
      zmq::message_t message = make();
      s.from.send(message, zmq::send_flags::none);
    }
  });
  zmq::message_t message;
  for (int i = 0; i < count; ++i)
    (void)s.to.recv(message);
  const double out = seconds_since(start);
  sender.join();
  return out;
}

} // namespace

double bare_gigabytes_per_second(const bare_connection& how, std::size_t bytes, int count) {
  std::vector<std::byte> source(bytes); // before the sockets, which read it
  two_sockets s(how, messages_under_way);
  const double seconds = seconds_for(s, count, [&] {
    return zmq::message_t(
        source.data(), source.size(), [](void*, void*) {}, nullptr);
  });
  return static_cast<double>(count) * static_cast<double>(bytes) / seconds / 1e9;
}

double bare_messages_per_second(const bare_connection& how, std::size_t bytes, int count) {
  two_sockets s(how, 10000);
  return count / seconds_for(s, count, [&] { return zmq::message_t(bytes); });
}

std::vector<double> bare_round_trips(const bare_connection& how, std::size_t bytes, int count) {
  two_sockets s(how, 10000);
  std::vector<double> out;
  std::thread echo([&] {
    zmq::message_t message;
    for (int i = 0; i < count; ++i) {
      (void)s.to.recv(message);
      s.to.send(message, zmq::send_flags::none);
    }
  });
  zmq::message_t message(bytes);
  for (int i = 0; i < count; ++i) {
    const auto start = clock_type::now();
    s.from.send(message, zmq::send_flags::none);
    (void)s.from.recv(message);
    out.push_back(seconds_since(start) * 1e6);
  }
  echo.join();
  std::sort(out.begin(), out.end());
  return out;
}

} // namespace troupe::bench
