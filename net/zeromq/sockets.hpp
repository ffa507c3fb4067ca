// All ZeroMQ sockets of a node: one ROUTER, which listens everywhere, and one DEALER for each
// connection that is dialled. A connection is one connection of the network, and ends with it:
// ZeroMQ's own reconnection is off, so that nobody mistakes the next one for it.
//
// Belongs to one thread at a time, but for wake(), which all may call, and wait(), which touches
// no socket: while the thread that collects what comes waits, another one may send.
#pragma once

#include "net/frame.hpp"
#include "net/keys.hpp"
#include "net/reliable_link.hpp"
#include "net/sessions.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace troupe::net {

struct socket_message {
  connection from = 0;
  std::string key; // proven, of one who dialled; "" without encryption
  payload first;
  std::vector<payload> payloads;
};

struct socket_broken {
  connection id = 0;
  std::string why;
};

using socket_event = std::variant<socket_message, socket_broken>;

struct socket_options {
  std::optional<key_pair> keys;                       // none: nothing is encrypted
  std::function<bool(const std::string& key)> admits; // asked for each connection, with keys
  std::function<connection()> fresh_connection;
  std::size_t message_bytes_max = std::size_t{1} << 30;
  bool check_payloads = true;  // that leave the machine without encryption
  int io_threads = 1;          // of ZeroMQ
  bool shares_process = false; // reaches other nodes of this process by inproc
};

class sockets {
public:
  explicit sockets(socket_options options);
  ~sockets();
  sockets(const sockets&) = delete;
  sockets& operator=(const sockets&) = delete;

  // Returns the endpoint with the port that was found. Throws error.
  std::string listen(const std::string& endpoint);

  std::string dial(const dial_order& order); // the trouble, or ""
  void close(connection c);
  // False: there is no such connection any more. `damaged`: with a wrong byte, on purpose.
  bool send(connection c, const frame& f, bool damaged = false);

  // prepare(), wait(), collect(), in turn, by one thread. prepare(): whether there is something
  // to collect already.
  void also_wait_for(int descriptor); // until it is readable
  bool prepare();
  void wait(std::chrono::nanoseconds longest);
  void collect();
  std::optional<socket_event> next(); // what was collected

  // Whether sending took notice of something that came, which a wait() would miss.
  bool missed();

  void shut(); // closes all sockets; what they have not sent is lost after a moment

  void wake();                                       // ends a wait(), now or the next
  [[nodiscard]] std::function<void()> waker() const; // does so, and may outlive the sockets

private:
  struct state;
  std::unique_ptr<state> state_;
};

// Throw error where an endpoint is none, or where it would let strangers in: without keys only this
// machine is listened to and dialled.
void check_endpoint(const std::string& endpoint, bool encrypted, const std::string& where);

} // namespace troupe::net
